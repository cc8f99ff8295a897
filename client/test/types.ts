// What a page writes; only compiled.

import { NifiClient, type Status, dexieStores, nifiStores, persist, restore } from 'nifi-idb-client'
import { ValueError, decode, encode, encodeKey, encodeNow } from 'nifi-idb-client/values'

const request = indexedDB.open('shop', 2)
request.onupgradeneeded = () => nifiStores(request.result)
const client = new NifiClient({ database: 'shop', stores: ['data'], url: 'https://sync.shop.example', headers: async () => ({ authorization: 'Bearer x' }) })
const db: IDBDatabase = client.capture(request.result)
client.start().addEventListener('status', ({ detail }) => console.log(detail.pending, detail.version, db.name))
client.addEventListener('applied', ({ detail: { changes, elsewhere } }) => console.log(changes.map(({ store, key, op }) => [store, key, op]), elsewhere))
const status: Promise<Status> = client.sync()
const text: Promise<string> = encode(new Map([[1, 2]]))
const value: unknown = decode('{}')
const stores: string = dexieStores['nifi-ops']!
export const all = [status, text, value, stores, encodeKey(['a', 1]), encodeNow(1), new ValueError().code, persist().then(({ reason }) => reason), restore({ database: 'shop', url: '', version: 3, onProgress: ({ phase, records }) => console.log(phase, records) })]

// @ts-expect-error: a mode that there is not
new NifiClient({ database: 'shop', stores: ['data'], url: '', mode: 'log' })

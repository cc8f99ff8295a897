// What the client costs a page, beside what Dexie costs it.

import Dexie from '/client/node_modules/dexie/dist/modern/dexie.mjs'
import { NifiClient, dexieStores, nifiStores } from '/client/src/index.js'

const completed = (tx) => new Promise((resolve, reject) => Object.assign(tx, { oncomplete: () => resolve(), onabort: () => reject(tx.error) }))
const opened = (name, upgrade) =>
  new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1)
    request.onupgradeneeded = () => upgrade(request.result)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
const record = (id) => ({ id, name: `record ${id}`, tags: ['one', 'two'], price: id / 100, at: new Date(1700000000000 + id), note: 'x'.repeat(100) })
const median = (list) => list.sort((a, b) => a - b)[list.length >> 1]

const client = (database, more) => new NifiClient({ database, stores: ['data'], url: 'http://localhost:1', interval: 0, delay: 1e9, ...more })

async function writers() {
  const bare = await opened('bare', (db) => db.createObjectStore('data', { keyPath: 'id' }))
  const watched = await opened('watched', (db) => (db.createObjectStore('data', { keyPath: 'id' }), nifiStores(db)))
  client('watched').capture(watched)
  const dexie = new Dexie('dexie')
  dexie.version(1).stores({ data: 'id' })
  await dexie.open()
  const both = new Dexie('both', { indexedDB: client('both').factory(indexedDB) })
  both.version(1).stores({ data: 'id', ...dexieStores })
  await both.open()
  const plain = (db) => ({
    one: async (value) => {
      const tx = db.transaction('data', 'readwrite')
      tx.objectStore('data').put(value)
      await completed(tx)
    },
    many: async (values) => {
      const tx = db.transaction('data', 'readwrite')
      const data = tx.objectStore('data')
      for (const value of values) data.put(value)
      await completed(tx)
    },
  })
  const through = (db) => ({ one: (value) => db.data.put(value), many: (values) => db.data.bulkPut(values) })
  return { 'IndexedDB': plain(bare), 'IndexedDB, oplog': plain(watched), 'Dexie': through(dexie), 'Dexie, oplog': through(both) }
}

/** Milliseconds per write, one in a transaction and 500 in one; medians of rounds that take turns. */
export async function writes(rounds = 7, singles = 150, batch = 500) {
  const all = await writers()
  const found = Object.fromEntries(Object.keys(all).map((name) => [name, { one: [], many: [] }]))
  let id = 0
  for (let round = 0; round < rounds; round++) {
    for (const [name, { one, many }] of Object.entries(all)) {
      let start = performance.now()
      for (let count = 0; count < singles; count++) await one(record(id++))
      found[name].one.push((performance.now() - start) / singles)
      const values = Array.from({ length: batch }, () => record(id++))
      start = performance.now()
      await many(values)
      found[name].many.push((performance.now() - start) / batch)
    }
  }
  return Object.fromEntries(Object.entries(found).map(([name, { one, many }]) => [name, { one: median(one), many: median(many) }]))
}

/** A scan of many records in which one changed: milliseconds until it is found, and the bytes that are sent for it. */
export async function scan(url, count = 100000) {
  const db = await opened('many', (db) => db.createObjectStore('data', { keyPath: 'id' }))
  for (let from = 0; from < count; from += 10000) {
    const tx = db.transaction('data', 'readwrite')
    for (let id = from; id < from + 10000; id++) tx.objectStore('data').put(record(id))
    await completed(tx)
  }
  let body = 0
  let sent = 0
  const counting = (address, options) => {
    sent = performance.now()
    body = options.body.length
    return fetch(address, options)
  }
  const sync = client('many', { url, flow: 'many', mode: 'scan', twoWay: false, timeout: 600000, env: { fetch: counting } })
  let start = performance.now()
  const first = await sync.sync()
  const initial = { milliseconds: performance.now() - start, bytes: body, phase: first.phase, message: first.message }
  const rounds = []
  const read = []
  for (let round = 0; round < 3; round++) {
    const tx = db.transaction('data', 'readwrite')
    tx.objectStore('data').put({ ...record(4711 + round), price: -1 })
    await completed(tx)
    start = performance.now()
    await sync.sync()
    rounds.push(sent - start)
    // What any page pays that reads all of them.
    start = performance.now()
    await new Promise((resolve) => (db.transaction('data').objectStore('data').getAll().onsuccess = resolve))
    read.push(performance.now() - start)
  }
  return { initial, scan: median(rounds), getAll: median(read), bytes: body }
}

/** Bytes that are sent for one changed record in oplog mode. */
export async function oneChange(url) {
  const db = await opened('one', (db) => (db.createObjectStore('data', { keyPath: 'id' }), nifiStores(db)))
  let body = ''
  const sync = client('one', { url, flow: 'one', env: { fetch: (address, options) => ((body = options.body), fetch(address, options)) } })
  sync.capture(db)
  await sync.sync()
  const tx = db.transaction('data', 'readwrite')
  tx.objectStore('data').put(record(1))
  await completed(tx)
  await sync.sync()
  return { bytes: body.length, record: JSON.stringify(record(1)).length }
}

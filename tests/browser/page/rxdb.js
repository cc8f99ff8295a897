// What the tests call in a page with RxDB; bundled, for a page resolves no package names.

import { addRxPlugin, createRxDatabase } from 'rxdb'
import { RxDBAttachmentsPlugin } from 'rxdb/plugins/attachments'
import { getRxStorageDexie } from 'rxdb/plugins/storage-dexie'

import { conflictHandler, replicate } from '../../../client/examples/rxdb.js'
import { NifiClient, dexieStores, nifiStores, restore } from '../../../client/src/index.js'

addRxPlugin(RxDBAttachmentsPlugin)

const DATABASE = 'rxdb-dexie-shop--0--notes'
const properties = { id: { type: 'string', maxLength: 9 }, title: { type: 'string', maxLength: 99 }, done: { type: 'boolean' }, n: { type: 'number' } }
const schema = { version: 0, primaryKey: 'id', type: 'object', properties, required: ['id', 'title', 'done'], indexes: [['done', 'title']], attachments: {} }
const SLOW = { interval: 0, delay: 1e8 }

let client, db, notes

/** A collection that is backed up. */
async function open(options) {
  client = new NifiClient({ database: DATABASE, stores: ['docs', 'changes', 'attachments'], twoWay: false, ...SLOW, ...options })
  const oplog = { indexedDB: client.factory(), onCreate: (dexie, name) => name === DATABASE && dexie.version(2).stores(dexieStores) }
  const storage = getRxStorageDexie(options.mode === 'scan' ? {} : oplog)
  db = await createRxDatabase({ name: 'shop', storage })
  notes = (await db.addCollections({ notes: { schema } })).notes
}

const documents = async () => (await notes.find({ sort: [{ id: 'asc' }] }).exec()).map((doc) => doc.toJSON(true))
const text = async () => (await notes.findOne('b').exec()).getAttachment('file').getStringData()

/** Writes in most ways, and sends each. */
export async function backUp(options) {
  await open(options)
  await client.sync()
  const a = await notes.insert({ id: 'a', title: 'A', done: false })
  await notes.bulkInsert(['b', 'c', 'd'].map((id) => ({ id, title: id, done: true })))
  await client.sync()
  await a.incrementalPatch({ n: 1 })
  await notes.upsert({ id: 'b', title: 'B', done: true })
  const blob = new Blob(['bytes'], { type: 'text/plain' })
  await (await notes.findOne('b').exec()).putAttachment({ id: 'file', data: blob, type: 'text/plain' })
  await notes.bulkRemove(['d'])
  const status = await client.sync()
  return { status, documents: await documents(), text: await text() }
}

/** In another browser: gets it back, and goes on. */
export async function getBack(options) {
  const { records, skipped } = await restore({ database: DATABASE, ...options })
  await open(options)
  const found = { documents: await documents(), text: await text() }
  const sorted = (await notes.find({ selector: { done: true }, sort: [{ title: 'desc' }] }).exec()).map(({ id }) => id)
  await (await notes.findOne('c').exec()).patch({ n: 2 })
  await notes.insert({ id: 'd', title: 'again', done: false })
  return { records, skipped, found, sorted, status: await client.sync() }
}

/** A collection that is replicated with the others; in one of several tabs. */
export async function join(options) {
  const request = indexedDB.open('shared', 1)
  request.onupgradeneeded = () => {
    request.result.createObjectStore('notes', { keyPath: 'id' })
    nifiStores(request.result)
  }
  const shared = await new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
  client = new NifiClient({ database: 'shared', stores: ['notes'], interval: 300, delay: 50, ...options })
  client.capture(shared)
  db = await createRxDatabase({ name: 'shop', storage: getRxStorageDexie(), multiInstance: true })
  const { attachments, ...bare } = schema
  notes = (await db.addCollections({ notes: { schema: bare, conflictHandler } })).notes
  replicate(notes, { client, db: shared, store: 'notes' })
  client.start()
}

export const insert = (doc) => notes.insert(doc).then(() => {})
export const patch = async (id, members) => void (await (await notes.findOne(id).exec()).incrementalPatch(members))
export const remove = async (id) => void (await (await notes.findOne(id).exec()).incrementalRemove())
export const shown = async () => JSON.stringify((await notes.find({ sort: [{ id: 'asc' }] }).exec()).map((doc) => Object.entries(doc.toJSON()).sort()))

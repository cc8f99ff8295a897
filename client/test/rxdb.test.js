// Beside RxDB with its Dexie storage: one IndexedDB database for each collection, `rxdb-dexie-NAME--SCHEMA--COLLECTION`.
// A file of its own: RxDB brings its own Dexie, and two of them in one process refuse each other.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { IDBKeyRange } from 'fake-indexeddb'
import { addRxPlugin, createRxDatabase } from 'rxdb'
import { RxDBAttachmentsPlugin } from 'rxdb/plugins/attachments'
import { RxDBCleanupPlugin } from 'rxdb/plugins/cleanup'
import { RxDBMigrationSchemaPlugin } from 'rxdb/plugins/migration-schema'
import { getRxStorageDexie } from 'rxdb/plugins/storage-dexie'

import { NifiClient, dexieStores, restore } from '../src/index.js'
import { encode } from '../src/values.js'
import { Browser, all, write } from './browser.js'
import { serve, stored } from './serve.js'

addRxPlugin(RxDBAttachmentsPlugin)
addRxPlugin(RxDBCleanupPlugin)
addRxPlugin(RxDBMigrationSchemaPlugin)

const DATABASE = 'rxdb-dexie-shop--0--notes'
const schema = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: { id: { type: 'string', maxLength: 100 }, title: { type: 'string', maxLength: 100 }, done: { type: 'boolean' }, n: { type: 'number' } },
  required: ['id', 'title', 'done'],
  indexes: ['title', ['done', 'title']],
  attachments: {},
}

let server
before(async () => (server = await serve()))
after(() => server.stop())

const STORES = ['docs', 'changes', 'attachments']
function client(t, browser, flow, more) {
  const sync = new NifiClient({ database: DATABASE, stores: STORES, url: server.url, flow, twoWay: false, interval: 0, delay: 1e8, env: browser.env(), ...more })
  t.after(() => sync.close())
  return sync
}

/** The collection as an application opens it; with a client that writes down, by what the README says. */
async function notesOf(t, browser, sync, version = 2) {
  const settings = sync
    ? { indexedDB: sync.factory(), onCreate: (dexie, name) => name === DATABASE && dexie.version(version).stores(dexieStores) }
    : { indexedDB: browser.indexedDB }
  const storage = getRxStorageDexie({ ...settings, IDBKeyRange })
  const db = await createRxDatabase({ name: 'shop', storage, multiInstance: false })
  t.after(() => db.close())
  const { notes } = await db.addCollections({ notes: { schema } })
  return { db, notes }
}

/** Opens what lies under RxDB. */
async function under(browser, work) {
  const request = browser.indexedDB.open(DATABASE)
  const db = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)))
  try {
    return await work(db)
  } finally {
    db.close()
  }
}

/** The documents with what RxDB adds to them. */
const documents = async (notes) => (await notes.find().exec()).map((doc) => doc.toJSON(true))

/** What is stored there is what lies here, byte for byte of the canonical text. */
async function same(browser, flow) {
  const there = await stored(server.url, flow)
  for (const store of STORES) {
    const here = await under(browser, (db) => all(db, store))
    const text = await Promise.all(here.map(async (value) => JSON.parse(await encode(value))))
    assert.deepEqual(there.filter((line) => line.store === store).map(({ value }) => value), text, store)
  }
  return there
}

const settings = (mode) => ({ flow: `rxdb-${mode}`, mode })

for (const mode of ['scan', 'oplog']) {
  test(`${mode}: every way of writing arrives`, async (t) => {
    const browser = new Browser()
    const { flow } = settings(mode)
    const sync = client(t, browser, flow, { mode })
    const { notes } = await notesOf(t, browser, mode === 'oplog' && sync)
    const seen = []
    notes.$.subscribe(({ operation, documentId }) => seen.push(`${operation} ${documentId}`))
    const arrived = async () => {
      const status = await sync.sync()
      assert.deepEqual([status.phase, status.pending], ['idle', 0], status.message)
      return same(browser, flow)
    }
    await arrived()
    const a = await notes.insert({ id: 'a', title: 'A', done: false })
    await notes.bulkInsert(['b', 'c', 'd', 'e', 'f'].map((id) => ({ id, title: id.toUpperCase(), done: id > 'd' })))
    await arrived()
    await a.patch({ n: 1 })
    await arrived()
    await a.getLatest().incrementalModify((doc) => ({ ...doc, n: doc.n + 1 }))
    await a.getLatest().incrementalPatch({ title: 'AA' })
    await arrived()
    await notes.upsert({ id: 'b', title: 'BB', done: true })
    await notes.incrementalUpsert({ id: 'g', title: 'G', done: true })
    await notes.bulkUpsert([{ id: 'h', title: 'H', done: true }])
    await arrived()
    await (await notes.findOne('c').exec()).remove()
    await notes.bulkRemove(['d'])
    await notes.find({ selector: { title: 'E' } }).remove()
    await assert.rejects(notes.insert({ id: 'a', title: 'twice', done: false }), { code: 'CONFLICT' })
    const lines = await arrived()
    // RxDB keeps what it removed, and says so in the record.
    assert.deepEqual(
      lines.map(({ key, value }) => [key, value.title, value.done, value._deleted]),
      [['a', 'AA', '0', '0'], ['b', 'BB', '1', '0'], ['c', 'C', '0', '1'], ['d', 'D', '0', '1'], ['e', 'E', '1', '1'], ['f', 'F', '1', '0'], ['g', 'G', '1', '0'], ['h', 'H', '1', '0']],
    )
    await a.getLatest().putAttachment({ id: 'note.txt', data: new Blob(['bytes'], { type: 'text/plain' }), type: 'text/plain' })
    const kept = (await arrived()).find(({ store }) => store === 'attachments')
    assert.deepEqual([kept.key, kept.value.id, JSON.stringify(kept.value.data).includes(btoa('bytes'))], ['a||note.txt', 'a||note.txt', true])
    await a.getLatest().getAttachment('note.txt').remove()
    assert.ok((await arrived()).every(({ store }) => store === 'docs'))
    // RxDB is what it was.
    const found = await notes.find({ selector: { done: true }, sort: [{ title: 'asc' }] }).exec()
    assert.deepEqual(found.map(({ title }) => title), ['BB', 'F', 'G', 'H'])
    assert.deepEqual([seen.length, seen.filter((it) => it.startsWith('DELETE')).length], [17, 3])
    await notes.cleanup(0)
    assert.deepEqual((await arrived()).map(({ key }) => key), ['a', 'b', 'f', 'g', 'h'])
    // A cleanup of many looks like a wiped profile.
    const many = Array.from({ length: 30 }, (_, n) => `many-${n}`)
    await notes.bulkInsert(many.map((id) => ({ id, title: id, done: false })))
    await arrived()
    await notes.bulkRemove(many)
    await notes.cleanup(0)
    assert.equal((await sync.sync()).held.reason, mode === 'scan' ? 'scan' : 'guard')
    let status = await sync.confirm()
    if (status.held) status = await sync.confirm()
    assert.equal((await arrived()).length, 5)
  })
}

test('documents that were there before the client are sent, and what follows is written down', async (t) => {
  const browser = new Browser()
  const before = await notesOf(t, browser)
  await before.notes.bulkInsert([{ id: 'old', title: 'before', done: false }, { id: 'gone', title: 'before', done: false }])
  await before.db.close()
  const sync = client(t, browser, 'rxdb-before')
  const { notes } = await notesOf(t, browser, sync)
  await sync.sync()
  assert.deepEqual((await same(browser, 'rxdb-before')).map(({ key }) => key), ['gone', 'old'])
  await (await notes.findOne('gone').exec()).remove()
  assert.equal((await sync.status()).pending, 1)
  await sync.sync()
  assert.equal((await same(browser, 'rxdb-before'))[0].value._deleted, '1')
})

test('a new schema version is another database; two clients watch two', async (t) => {
  const browser = new Browser()
  const [old, next] = [0, 1].map((version) => client(t, browser, undefined, { database: `rxdb-dexie-shop--${version}--notes` }))
  const before = await notesOf(t, browser, old)
  await before.notes.insert({ id: 'a', title: 'A', done: false })
  await old.sync()
  await before.db.close()
  const onCreate = (dexie, name) => /--notes$/.test(name) && dexie.version(2).stores(dexieStores)
  const storage = getRxStorageDexie({ indexedDB: next.factory(old.factory()), onCreate, IDBKeyRange })
  const db = await createRxDatabase({ name: 'shop', storage, multiInstance: false })
  t.after(() => db.close())
  const migrationStrategies = { 1: (doc) => ({ ...doc, title: `${doc.title}!` }) }
  const { notes } = await db.addCollections({ notes: { schema: { ...schema, version: 1 }, migrationStrategies } })
  await notes.insert({ id: 'b', title: 'B', done: false })
  for (const sync of [old, next]) assert.equal((await sync.sync()).phase, 'idle')
  // RxDB empties the old one.
  const titles = async ({ options }) => (await stored(server.url, options.database)).map(({ value }) => value.title)
  assert.deepEqual([await titles(old), await titles(next)], [[], ['A!', 'B']])
})

for (const [mode, stores] of [['oplog', STORES], ['scan', STORES], ['scan', ['docs']]]) {
  test(`restored by ${mode} with ${stores}, opened by RxDB, and used`, async (t) => {
    // The flow is named after the database.
    const flow = DATABASE
    const [first, second] = [new Browser(), new Browser()]
    // Each turn is a store of its own.
    const own = await serve()
    t.after(() => own.stop())
    const options = { mode, stores, url: own.url, flow: undefined }
    const sync = client(t, first, undefined, options)
    const before = await notesOf(t, first, mode === 'oplog' && sync)
    await before.notes.bulkInsert(['a', 'b', 'c'].map((id, n) => ({ id, title: id, done: n > 1, n })))
    await (await before.notes.findOne('b').exec()).patch({ title: 'B' })
    await (await before.notes.findOne('a').exec()).remove()
    const withFile = stores.includes('attachments')
    if (withFile) await (await before.notes.findOne('b').exec()).putAttachment({ id: 'x', data: new Blob(['bytes']), type: 'text/plain' })
    assert.equal((await sync.sync()).phase, 'idle')
    const shape = (db) => [db.version, ...stores.flatMap((store) => [...db.transaction(store).objectStore(store).indexNames])]
    const schema = await under(first, shape)
    const [docs, records] = [await documents(before.notes), await under(first, (db) => all(db, 'docs'))]
    await before.db.close()

    const { records: count, skipped } = await restore({ database: DATABASE, url: own.url, mode, env: second.env() })
    assert.deepEqual([count, skipped], [withFile ? 4 : 3, []])
    assert.deepEqual(await under(second, shape), schema)
    const again = client(t, second, undefined, options)
    const { notes } = await notesOf(t, second, mode === 'oplog' && again)
    assert.deepEqual(await documents(notes), docs)
    const text = (values) => Promise.all(values.map((value) => encode(value)))
    assert.deepEqual(await text(await under(second, (db) => all(db, 'docs'))), await text(records))
    const b = await notes.findOne('b').exec()
    if (withFile) assert.equal(await b.getAttachment('x').getStringData(), 'bytes')
    // Indexes, what was removed, and what comes next.
    assert.deepEqual((await notes.find({ selector: { done: true }, sort: [{ title: 'desc' }] }).exec()).map(({ id }) => id), ['c'])
    await b.patch({ n: 5 })
    await notes.insert({ id: 'a', title: 'again', done: true })
    await notes.insert({ id: 'd', title: 'D', done: true })
    const status = await again.sync()
    assert.deepEqual([status.phase, status.pending], ['idle', 0], status.message)
    const there = (await stored(own.url, flow)).filter(({ store }) => store === 'docs')
    assert.deepEqual(there.map(({ key, value }) => [key, value.title, value.n, value._deleted]), [
      ['a', 'again', undefined, '0'], ['b', 'B', 5, '0'], ['c', 'c', 2, '0'], ['d', 'D', undefined, '0'],
    ])
  })
}

test('why not two-way: what is written under RxDB is lost without a word', async (t) => {
  const [first, second] = [new Browser(), new Browser()]
  const options = { twoWay: true }
  const sync = client(t, first, 'rxdb-two-way', options)
  const { notes } = await notesOf(t, first, sync)
  const doc = await notes.insert({ id: 'x', title: 'X', done: false, n: 1 })
  await sync.sync()
  // What another browser's RxDB would write.
  await restore({ database: DATABASE, url: server.url, flow: 'rxdb-two-way', env: second.env() })
  const theirs = await second.open(DATABASE, () => {}, 20)
  const other = client(t, second, 'rxdb-two-way', options)
  other.capture(theirs)
  t.after(() => theirs.close())
  const [known] = await all(theirs, 'docs')
  await write(theirs, (docs) => docs.put({ ...known, n: 2, _rev: '2-theirs', _meta: { lwt: known._meta.lwt + 1 } }), 'docs')
  await other.sync()
  await new Promise((resolve) => setTimeout(resolve, 5))
  await doc.patch({ title: 'mine' })
  await sync.sync()
  // The sidecar joins both; the revision is the later one, which is one that RxDB knows, with other members.
  const [joined] = await under(first, (db) => all(db, 'docs'))
  assert.deepEqual([joined.title, joined.n, joined._rev], ['mine', 2, doc.getLatest().toJSON(true)._rev])
  // RxDB reads nothing again, and finds nothing wrong: its next write takes theirs back, here and everywhere.
  assert.equal((await notes.findOne('x').exec()).n, 1)
  await doc.getLatest().patch({ done: true })
  await sync.sync()
  const [line] = await stored(server.url, 'rxdb-two-way')
  assert.deepEqual([line.value.title, line.value.n], ['mine', 1])
  // And where theirs is the stored one, RxDB refuses to write.
  await other.sync()
  const [later] = await all(theirs, 'docs')
  await write(theirs, (docs) => docs.put({ ...later, n: 3, _rev: '9-theirs' }), 'docs')
  await other.sync()
  await sync.sync()
  assert.equal(doc.getLatest().n, 1)
  await assert.rejects(doc.getLatest().patch({ done: false }), { code: 'CONFLICT' })
})

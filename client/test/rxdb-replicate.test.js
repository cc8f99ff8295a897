// Two-way beside RxDB, by `examples/rxdb.js`: its replication goes to an object store that the client keeps in step.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { IDBKeyRange } from 'fake-indexeddb'
import { createRxDatabase } from 'rxdb'
import { getRxStorageDexie } from 'rxdb/plugins/storage-dexie'

import { conflictHandler, replicate } from '../examples/rxdb.js'
import { nifiStores } from '../src/index.js'
import { Browser, all, write } from './browser.js'
import { serve, stored } from './serve.js'

const number = { type: 'number' }
const schema = { version: 0, primaryKey: 'id', type: 'object', properties: { id: { type: 'string', maxLength: 9 }, a: number, b: number, c: number }, required: ['id'] }

let server
before(async () => (server = await serve()))
after(() => server.stop())

let pages = 0

const shared = (db) => {
  db.createObjectStore('notes', { keyPath: 'id' })
  nifiStores(db)
}

/** A page with a collection and its replication. */
async function page(t, flow) {
  const browser = new Browser()
  const { db, client } = await browser.tab({ database: 'shared', stores: ['notes'], url: server.url, flow }, shared)
  // RxDB knows databases by name, in all of this process.
  const rx = await createRxDatabase({ name: `page-${pages++}`, storage: getRxStorageDexie({ indexedDB: browser.indexedDB, IDBKeyRange }), multiInstance: false })
  const { notes } = await rx.addCollections({ notes: { schema, conflictHandler } })
  let state
  const errors = []
  const start = async () => {
    state = replicate(notes, { client, db, store: 'notes' })
    state.error$.subscribe((error) => errors.push(error))
    await state.awaitInitialReplication()
  }
  await start()
  t.after(async () => {
    await state.cancel()
    await rx.close()
    client.close()
    db.close()
  })
  const sync = async () => {
    await state.awaitInSync()
    const status = await client.sync()
    assert.deepEqual([status.phase, status.pending, errors], ['idle', 0, []], status.message)
    // What came is read in a transaction of its own.
    await all(db, 'notes')
    await new Promise((resolve) => setTimeout(resolve, 5))
    await state.awaitInSync()
  }
  /** Nothing is replicated while `work` is done, and somebody else's changes come. */
  const reopen = async (work) => {
    await state.cancel()
    await work?.()
    await client.sync()
    await start()
  }
  const shown = async () => (await notes.find().exec()).map((doc) => doc.toJSON())
  return { db, client, errors, notes, sync, reopen, shown, state: () => state }
}

const bare = (documents) => documents.filter((it) => !it._deleted).map(({ _deleted, ...it }) => Object.fromEntries(Object.entries(it).sort()))
const there = async (flow) => bare((await stored(server.url, flow)).map(({ value }) => value))

test('members of one document, a removal, and what is shown', async (t) => {
  const [one, two] = [await page(t, 'replicate'), await page(t, 'replicate')]
  const seen = []
  two.notes.find({ selector: { a: { $gt: 0 } } }).$.subscribe((found) => seen.push(found.map(({ id }) => id).join('')))
  await one.notes.bulkInsert([{ id: 'x', a: 1, b: 1 }, { id: 'y', a: 1 }])
  for (const it of [one, two]) await it.sync()
  assert.deepEqual(bare(await two.shown()), [{ a: 1, b: 1, id: 'x' }, { a: 1, id: 'y' }])
  // Both without a network: nothing of this is lost.
  await (await one.notes.findOne('x').exec()).patch({ a: 2 })
  await (await two.notes.findOne('x').exec()).patch({ b: 2 })
  await (await one.notes.findOne('y').exec()).remove()
  for (const it of [one, two, one]) await it.sync()
  for (const it of [one, two]) assert.deepEqual(bare(await it.shown()), [{ a: 2, b: 2, id: 'x' }])
  // And what is held in memory is what goes on.
  await (await one.notes.findOne('x').exec()).patch({ c: 3 })
  for (const it of [one, two]) await it.sync()
  assert.deepEqual(await there('replicate'), [{ a: 2, b: 2, c: 3, id: 'x' }])
  assert.deepEqual([seen[0], seen.at(-1), seen.includes('xy')], ['', 'x', true])
  // A change that crosses one that came already: both stand.
  await (await two.notes.findOne('x').exec()).patch({ b: 4 })
  await two.sync()
  await one.reopen(async () => (await one.notes.findOne('x').exec()).patch({ a: 4 }))
  for (const it of [one, two]) await it.sync()
  for (const it of [one, two]) assert.deepEqual(bare(await it.shown()), [{ a: 4, b: 4, c: 3, id: 'x' }])
  // What came while nobody replicated.
  await (await two.notes.findOne('x').exec()).remove()
  await two.sync()
  await one.reopen()
  await one.sync()
  assert.deepEqual([await one.shown(), await there('replicate')], [[], []])
})

test('a record that is deleted there goes here too, and does not come back', async (t) => {
  const [one, two] = [await page(t, 'deleted'), await page(t, 'deleted')]
  await one.notes.bulkInsert(['x', 'y', 'z'].map((id) => ({ id, a: 1 })))
  for (const it of [one, two]) await it.sync()
  const remove = (...ids) => write(two.db, (notes) => ids.forEach((id) => notes.delete(id)), 'notes')
  const gone = async (...left) => {
    for (const it of [two, one, two]) await it.sync()
    assert.deepEqual([bare(await one.shown()).map(({ id }) => id), (await there('deleted')).map(({ id }) => id)], [left, left])
  }
  // By somebody who knows nothing of RxDB: another page, a restore of an older version, a person.
  await remove('x')
  await gone('y', 'z')
  // While nobody replicates here, and a document that was never brought there stays.
  await one.reopen(async () => {
    await remove('y')
    await two.sync()
    await one.notes.insert({ id: 'new', a: 1 })
  })
  await gone('new', 'z')
  // A change that crosses it is one of a document that is gone.
  await remove('z')
  await two.sync()
  await one.reopen(async () => (await one.notes.findOne('z').exec()).patch({ b: 2 }))
  await gone('new')
  // It can be made again.
  await one.notes.insert({ id: 'x', a: 5 })
  await gone('new', 'x')
})

test('cancelled, it listens no more; a connection that is closed is an error that is told', async (t) => {
  const [one, two] = [await page(t, 'closed'), await page(t, 'closed')]
  const listeners = []
  const { addEventListener, removeEventListener } = one.client
  one.client.addEventListener = (type, listener) => (listeners.push(listener), addEventListener.call(one.client, type, listener))
  one.client.removeEventListener = (type, listener) => (listeners.splice(listeners.indexOf(listener), 1), removeEventListener.call(one.client, type, listener))
  await one.reopen()
  assert.equal(listeners.length, 1)
  await two.notes.insert({ id: 'x', a: 1 })
  await two.sync()
  one.db.close()
  await one.client.sync()
  assert.deepEqual(one.errors.map(({ name }) => name), ['InvalidStateError'])
  await one.state().cancel()
  assert.equal(listeners.length, 0)
})

for (let turn = 0; turn < Number(process.env.HISTORIES ?? 5); turn++) {
  test(`a random history comes to the same: ${turn}`, async (t) => {
    let seed = Number(process.env.SEED ?? 1) + turn * 7919
    const random = (below) => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31
      return Math.floor(seed / 65536) % below
    }
    const flow = `random-${turn}`
    const both = [await page(t, flow), await page(t, flow)]
    // And one that knows nothing of RxDB.
    const plain = await new Browser().tab({ database: 'shared', stores: ['notes'], url: server.url, flow }, shared)
    t.after(() => (plain.client.close(), plain.db.close()))
    for (let step = 1; step <= 40; step++) {
      const it = both[random(2)]
      const id = `d${random(4)}`
      const doc = await it.notes.findOne(id).exec()
      const act = random(10)
      if (act < 5 && doc) await doc.incrementalPatch({ ['abc'[random(3)]]: step })
      else if (act < 5) await it.notes.insert({ id, a: step }).catch(({ code }) => assert.equal(code, 'CONFLICT'))
      else if (act === 5) await doc?.incrementalRemove()
      else if (act < 8) await it.sync()
      else if (act < 9) await it.reopen()
      else {
        await plain.client.sync()
        await write(plain.db, (notes) => notes.delete(id), 'notes')
        await plain.client.sync()
      }
    }
    for (const it of [...both, ...both, ...both]) await it.sync()
    const stands = await there(flow)
    for (const it of both) {
      assert.deepEqual(bare(await it.shown()), stands)
      assert.deepEqual(bare(await all(it.db, 'notes')), stands)
    }
  })
}

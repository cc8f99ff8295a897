// Beside the libraries that pages use.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import Dexie from 'dexie'
import { IDBKeyRange } from 'fake-indexeddb'
import { openDB, unwrap } from 'idb'

import { NifiClient, dexieStores, nifiStores } from '../src/index.js'
import { Browser } from './browser.js'
import { serve, stored } from './serve.js'

let server
before(async () => (server = await serve()))
after(() => server.stop())

const client = (browser, flow, more) =>
  new NifiClient({ database: 'shop', stores: ['data'], url: server.url, flow, interval: 0, delay: 1e8, env: browser.env(), ...more })

test('Dexie: every way of writing is written down', async () => {
  const browser = new Browser()
  const sync = client(browser, 'dexie')
  const db = new Dexie('shop', { indexedDB: sync.factory(), IDBKeyRange })
  db.version(1).stores({ data: '++id, name', ...dexieStores })
  await db.open()
  await sync.sync()
  const id = await db.data.add({ name: 'a' })
  await db.data.bulkAdd([{ name: 'b' }, { name: 'c' }, { name: 'd' }, { name: 'e' }])
  await db.data.put({ id: 10, name: 'j' })
  await db.data.update(id, { name: 'A' })
  await db.data.where('name').equals('b').modify({ seen: true })
  await db.data.where('name').equals('c').delete()
  await db.data.bulkDelete([4])
  await db.transaction('rw', db.data, async () => {
    await db.data.put({ id: 11, name: 'k' })
    await db.data.delete(10)
  })
  await db.transaction('rw', db.data, async () => {
    await db.data.put({ id: 12, name: 'never' })
    throw new Error('changed my mind')
  }).catch(() => {})
  const status = await sync.sync()
  assert.deepEqual([status.phase, status.pending], ['idle', 0], status.message)
  const lines = await stored(server.url, 'dexie')
  assert.deepEqual(lines.map(({ value }) => value), JSON.parse(JSON.stringify(await db.data.toArray())))
  assert.deepEqual(lines.map(({ key }) => key), [1, 2, 5, 11])
  sync.close()
  db.close()
})

test('idb: shortcuts, transactions and cursors', async () => {
  const browser = new Browser()
  globalThis.indexedDB = browser.indexedDB
  // The classes that idb looks for.
  for (const name of ['IDBCursor', 'IDBDatabase', 'IDBIndex', 'IDBObjectStore', 'IDBRequest', 'IDBTransaction', 'IDBCursorWithValue', 'IDBOpenDBRequest']) {
    globalThis[name] ??= (await import('fake-indexeddb'))[name]
  }
  const db = await openDB('shop', 1, {
    upgrade(db) {
      db.createObjectStore('data', { keyPath: 'id' })
      nifiStores(unwrap(db))
    },
  })
  const sync = client(browser, 'idb')
  sync.capture(unwrap(db))
  await sync.sync()
  for (const id of [1, 2, 3]) await db.put('data', { id })
  await db.delete('data', 2)
  const tx = db.transaction('data', 'readwrite')
  await Promise.all([tx.store.put({ id: 4 }), tx.store.delete(1), tx.done])
  const walk = db.transaction('data', 'readwrite')
  for await (const cursor of walk.store) await cursor.update({ ...cursor.value, seen: true })
  await walk.done
  await sync.sync()
  const lines = await stored(server.url, 'idb')
  assert.deepEqual(lines.map(({ value }) => value), [{ id: 3, seen: true }, { id: 4, seen: true }])
  sync.close()
  db.close()
})

test('a version change is never held up, and what an upgrade wrote is sent', async () => {
  const browser = new Browser()
  const first = await browser.open()
  const sync = client(browser, 'upgrade')
  await sync.sync()
  first.close()
  const second = await browser.open(
    'shop',
    () => {},
    2,
  )
  const db = second
  const tx = db.transaction('data', 'readwrite')
  tx.objectStore('data').put({ id: 1, by: 'an uncaptured connection, as in an upgrade' })
  await new Promise((resolve) => (tx.oncomplete = resolve))
  await sync.sync()
  assert.deepEqual((await stored(server.url, 'upgrade')).map(({ key }) => key), [1])
  sync.close()
  db.close()
})

test('no room: the write of the application stands, and all is sent once there is room', async () => {
  const browser = new Browser()
  const db = await browser.open()
  const sync = client(browser, 'quota')
  sync.capture(db)
  await sync.sync()
  let full = true
  // The operation does not fit any more.
  const transaction = db.transaction
  db.transaction = (...scope) => {
    const tx = transaction.apply(db, scope)
    if (full && tx.mode === 'readwrite') {
      const store = tx.db && Object.getPrototypeOf(tx).objectStore.call(tx, 'nifi-ops')
      store.add = () => {
        throw new DOMException('full', 'QuotaExceededError')
      }
    }
    return tx
  }
  const write = (id) => {
    const tx = db.transaction('data', 'readwrite')
    tx.objectStore('data').put({ id })
    return new Promise((resolve, reject) => {
      tx.oncomplete = resolve
      tx.onabort = reject
    })
  }
  await write(1)
  assert.equal((await sync.status()).phase, 'full')
  full = false
  await write(2)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const status = await sync.sync()
  assert.deepEqual([status.phase, status.capturing], ['idle', true], status.message)
  assert.deepEqual((await stored(server.url, 'quota')).map(({ key }) => key), [1, 2])
  await write(3)
  await sync.sync()
  assert.deepEqual((await stored(server.url, 'quota')).map(({ key }) => key), [1, 2, 3])
  sync.close()
  db.close()
})

test('deletions that look like a wiped profile are held until somebody says so', async () => {
  const plain = (db) => db.createObjectStore('data', { keyPath: 'id' })
  for (const mode of ['scan', 'oplog']) {
    const browser = new Browser()
    const { db, client: sync } = await browser.tab({ url: server.url, flow: `held-${mode}`, mode }, mode === 'scan' ? plain : undefined)
    const run = (work) => {
      const tx = db.transaction('data', 'readwrite')
      work(tx.objectStore('data'))
      return new Promise((resolve) => (tx.oncomplete = resolve))
    }
    await run((data) => Array.from({ length: 30 }, (_, id) => data.put({ id })))
    await sync.sync()
    await run((data) => data.clear())
    const status = await sync.sync()
    assert.deepEqual([status.phase, status.held.reason], ['held', mode === 'scan' ? 'scan' : 'guard'], status.message)
    assert.equal((await stored(server.url, `held-${mode}`)).length, 30)
    // A scan asks once itself, and then the sidecar does.
    let after = await sync.confirm()
    if (after.held) after = await sync.confirm()
    assert.equal(after.phase, 'idle', after.message)
    assert.equal((await stored(server.url, `held-${mode}`)).length, 0)
    sync.close()
    db.close()
  }
})

test('a wiped database begins another life, and deletes nothing', async () => {
  const plain = (db) => db.createObjectStore('data', { keyPath: 'id' })
  const browser = new Browser()
  const { db, client: sync } = await browser.tab({ url: server.url, flow: 'wiped', mode: 'scan' }, plain)
  const tx = db.transaction('data', 'readwrite')
  tx.objectStore('data').put({ id: 1 })
  await new Promise((resolve) => (tx.oncomplete = resolve))
  const { source } = await sync.sync()
  db.close()
  await new Promise((resolve) => (browser.indexedDB.deleteDatabase('shop').onsuccess = resolve))
  assert.equal((await sync.sync()).message, 'there is no database shop')
  const again = await browser.open('shop', plain)
  const status = await sync.sync()
  assert.notEqual(status.source, source)
  assert.equal((await stored(server.url, 'wiped')).length, 1)
  // And comes back.
  const request = again.transaction('data').objectStore('data').count()
  assert.equal(await new Promise((resolve) => (request.onsuccess = () => resolve(request.result))), 1)
  sync.close()
  again.close()
})

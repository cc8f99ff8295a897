// Object stores that come later: in a later release of the page, in a later version of the database, in another tab.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { nifiStores } from '../src/index.js'
import { Browser } from './browser.js'
import { serve } from './serve.js'

let server
before(async () => (server = await serve()))
after(() => server.stop())

const withStores = (names, mode) => (db) => {
  for (const name of names) if (!db.objectStoreNames.contains(name)) db.createObjectStore(name, { keyPath: 'id' })
  if (mode !== 'scan' && !db.objectStoreNames.contains('nifi-ops')) nifiStores(db)
}

const all = (db, name) =>
  new Promise((resolve, reject) => {
    const request = db.transaction(name).objectStore(name).getAll()
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })

const put = (db, name, ...values) =>
  new Promise((resolve, reject) => {
    const tx = db.transaction(name, 'readwrite')
    for (const value of values) tx.objectStore(name).put(value)
    tx.oncomplete = resolve
    tx.onabort = () => reject(tx.error)
  })

/** A tab whose release lists `listed`; its database has `made`. */
async function tab(browser, flow, mode, listed, made = listed, version = made.length) {
  const { NifiClient } = await import('../src/index.js')
  const db = await browser.open('shop', withStores(made, mode), version)
  const client = new NifiClient({ database: 'shop', stores: listed, url: server.url, flow, mode, env: browser.env() })
  if (mode !== 'scan') client.capture(db)
  const sync = async () => {
    const status = await client.sync()
    assert.deepEqual([status.phase, status.pending], ['idle', 0], status.message)
  }
  const close = () => (client.close(), db.close())
  return { db, client, sync, close }
}

for (const mode of ['oplog', 'scan']) {
  test(`what others wrote to an object store before it came here is read from the beginning (${mode})`, async () => {
    const flow = `later-${mode}`
    const [a, b] = [new Browser(), new Browser()]
    const old = await tab(a, flow, mode, ['friends'])
    await old.sync()
    const fresh = await tab(b, flow, mode, ['friends', 'pets'])
    await put(fresh.db, 'pets', { id: 'rex' })
    await fresh.sync()
    // The old release goes past the version that holds it.
    await put(old.db, 'friends', { id: 2 })
    await old.sync()
    old.close()
    const upgraded = await tab(a, flow, mode, ['friends', 'pets'])
    await upgraded.sync()
    assert.deepEqual(await all(upgraded.db, 'pets'), [{ id: 'rex' }])
    await fresh.sync()
    assert.deepEqual(await all(fresh.db, 'friends'), [{ id: 2 }])
    upgraded.close()
    fresh.close()
  })

  test(`what lay in an object store before it was listed is sent (${mode})`, async () => {
    const flow = `listed-${mode}`
    const browser = new Browser()
    const both = ['friends', 'pets']
    const old = await tab(browser, flow, mode, ['friends'], both)
    await put(old.db, 'pets', ...Array.from({ length: 50 }, (_, id) => ({ id })))
    await old.sync()
    old.close()
    const listed = await tab(browser, flow, mode, both)
    await put(listed.db, 'pets', { id: 'new' })
    await listed.sync()
    const other = await tab(new Browser(), flow, mode, both)
    await other.sync()
    assert.equal((await all(other.db, 'pets')).length, 51)
    other.close()
    listed.close()
  })

  test(`neither side of an object store that comes later is written over unseen (${mode})`, async () => {
    const flow = `both-${mode}`
    const both = ['friends', 'pets']
    const [a, b] = [new Browser(), new Browser()]
    const old = await tab(a, flow, mode, ['friends'], both)
    await put(old.db, 'pets', { id: 1, from: 'a' }, { id: 'a' })
    await old.sync()
    const fresh = await tab(b, flow, mode, both)
    await put(fresh.db, 'pets', { id: 1, from: 'b' }, { id: 'b' })
    await fresh.sync()
    await put(old.db, 'friends', { id: 2 })
    await old.sync()
    old.close()
    const listed = await tab(a, flow, mode, both)
    const conflicts = []
    listed.client.addEventListener('conflict', ({ detail }) => conflicts.push(detail.kind))
    await listed.sync()
    await fresh.sync()
    assert.deepEqual(conflicts, ['insert-insert'])
    const [here, there] = [await all(listed.db, 'pets'), await all(fresh.db, 'pets')]
    assert.deepEqual(here, there)
    assert.deepEqual(here.map(({ id }) => id), [1, 'a', 'b'])
    listed.close()
    fresh.close()
  })
}

test('two releases in two tabs of one browser: what is not listed in one reaches the other', async () => {
  const flow = 'two-releases'
  const both = ['friends', 'pets']
  const [a, b] = [new Browser(), new Browser()]
  const [old, listed] = [await tab(a, flow, 'oplog', ['friends'], both), await tab(a, flow, 'oplog', both)]
  const other = await tab(b, flow, 'oplog', both)
  await listed.sync()
  for (const id of ['x', 'y', 'z']) {
    await put(other.db, 'pets', { id })
    await other.sync()
    await old.sync()
    await listed.sync()
    assert.ok((await all(listed.db, 'pets')).some((pet) => pet.id === id), id)
  }
  for (const it of [old, listed, other]) it.close()
})

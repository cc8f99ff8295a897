// A restore that fails or dies at any moment: nothing is deleted or taken back there, and the next one works.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { restore } from '../src/index.js'
import { Browser, all, shop, write } from './browser.js'
import { serve, stored } from './serve.js'

let server
before(async () => (server = await serve()))
after(() => server.stop())

const plain = (db) => db.createObjectStore('data', { keyPath: 'id' })
/** More than one transaction of a restore holds. */
const MANY = Array.from({ length: 550 }, (_, id) => id)

/** Two versions there, both of many records, and nobody with a connection here. */
async function begin(flow, mode) {
  const browser = new Browser()
  const options = { url: server.url, flow, mode }
  const upgrade = mode === 'scan' ? plain : shop
  const { db, client } = await browser.tab(options, upgrade)
  for (const n of [1, 2]) {
    await write(db, (data) => MANY.forEach((id) => data.put({ id, n })))
    assert.equal((await client.sync()).phase, 'idle')
  }
  client.close()
  db.close()
  const there = async () => (await stored(server.url, flow)).map(({ value: { id, n } }) => `${id}=${n}`).sort()
  /** What a page that comes later sees, once it synced. */
  const page = async (act) => {
    const tab = await browser.tab(options, upgrade)
    try {
      return await act(await tab.client.sync(), tab)
    } finally {
      tab.client.close()
      tab.db.close()
    }
  }
  const again = async (more) => restore({ database: 'shop', ...options, version: 1, env: browser.env(), ...more })
  return { browser, there, page, again, expected: MANY.map((id) => `${id}=2`).sort() }
}

/** After a restore that did not end: nothing changed there. Then one that does, and what it gives is what holds. */
async function recovers({ there, page, again, expected }, marked) {
  await page(async (status, { client, db }) => {
    if (marked) assert.deepEqual([status.phase, status.message], ['failed', 'a restore did not end: restore again'])
    else assert.deepEqual([status.phase, (await all(db)).length], ['idle', 550], status.message)
    await client.sync()
  })
  assert.deepEqual(await there(), expected)
  await again()
  await page(async (status, { db, client }) => {
    assert.deepEqual([status.phase, status.pending], ['idle', 0], status.message)
    assert.deepEqual((await all(db)).map(({ n }) => n), MANY.map(() => 1))
    await write(db, (data) => data.delete(7))
    assert.equal((await client.sync()).phase, 'idle')
  })
  assert.deepEqual(await there(), MANY.filter((id) => id !== 7).map((id) => `${id}=1`).sort())
}

const names = async ({ indexedDB }) => (await indexedDB.databases()).map(({ name }) => name).filter((name) => name === 'shop')

/** A factory that shows its connections, and answers nothing once it is `dead`. */
function watched(factory, { opened = () => {}, deleted = () => {} } = {}) {
  const connections = []
  const watch = (request, done) => {
    request.addEventListener('success', () => {
      if (request.result) connections.push(request.result)
      done(request.result)
    })
    return request
  }
  const it = {
    open: (...name) => (it.dead ? {} : watch(factory.open(...name), opened)),
    deleteDatabase: (name) => (it.dead ? {} : watch(factory.deleteDatabase(name), () => name === 'shop' && deleted())),
    die() {
      it.dead = true
      for (const db of connections) db.close()
    },
  }
  return it
}

/** Does `fault` to the values that are put into the application's object store. */
function faulty(db, fault) {
  if (db.name !== 'shop') return
  const { transaction } = db
  db.transaction = (...scope) => {
    const tx = transaction.apply(db, scope)
    const { objectStore } = tx
    tx.objectStore = (name) => {
      const store = objectStore.call(tx, name)
      const { put } = store
      if (name === 'data') store.put = (value) => put.call(store, fault(value) ?? value)
      return store
    }
    return tx
  }
}

const FAULTS = {
  'no room': [/QuotaExceededError/, (value) => { if (value.id === 520) throw new DOMException('full', 'QuotaExceededError') }],
  'another value': [/is not what was sent/, (value) => value.id === 520 ? { ...value, n: 9 } : value],
}

for (const mode of ['scan', 'oplog']) {
  for (const [name, [said, fault]] of Object.entries(FAULTS)) {
    test(`${mode}: ${name} in the middle of a restore`, async () => {
      const setting = await begin(`fault-${mode}-${name.replace(' ', '-')}`, mode)
      const factory = watched(setting.browser.indexedDB, { opened: (db) => faulty(db, fault) })
      await assert.rejects(setting.again({ env: { ...setting.browser.env(), indexedDB: factory } }), (error) => said.test(`${error.name} ${error}`))
      assert.deepEqual(await names(setting.browser), [])
      await recovers(setting)
    })
  }

  test(`${mode}: a restore that is cancelled in the middle`, async () => {
    const setting = await begin(`cancel-${mode}`, mode)
    for (const phase of ['read', 'write', 'verify']) {
      const control = new AbortController()
      const onProgress = (progress) => progress.phase === phase && control.abort()
      await assert.rejects(setting.again({ signal: control.signal, onProgress }), { name: 'AbortError' })
      assert.deepEqual(await names(setting.browser), phase === 'read' ? ['shop'] : [])
    }
    await recovers(setting)
  })

  for (const moment of ['deleted', 'made', 'write', 'verify']) {
    test(`${mode}: the tab dies when it is at ${moment}`, async () => {
      const setting = await begin(`death-${mode}-${moment}`, mode)
      let died
      const death = new Promise((resolve) => (died = resolve))
      const factory = watched(setting.browser.indexedDB, {
        deleted: () => moment === 'deleted' && die(),
        opened: (db) => moment === 'made' && db.name === 'shop' && die(),
      })
      const die = () => {
        factory.die()
        setting.browser.locks.kill()
        died()
      }
      const onProgress = ({ phase }) => phase === moment && die()
      // It never comes back.
      setting.again({ env: { ...setting.browser.env(), indexedDB: factory }, onProgress }).catch(() => {})
      await death
      // What was written down in the other database cannot tell an empty database from half of one.
      await recovers(setting, mode === 'scan' || moment !== 'deleted')
    })
  }
}

test('one that is cancelled while a connection holds the deletion up', async () => {
  for (const mode of ['scan', 'oplog']) {
    const setting = await begin(`blocked-${mode}`, mode)
    const holder = await setting.browser.open('shop', () => {})
    holder.onversionchange = null
    const control = new AbortController()
    const { indexedDB } = setting.browser
    const deleteDatabase = (name) => {
      const request = indexedDB.deleteDatabase(name)
      if (name === 'shop') request.addEventListener('blocked', () => control.abort())
      return request
    }
    const factory = { open: (...name) => indexedDB.open(...name), deleteDatabase }
    const done = setting.again({ signal: control.signal, env: { ...setting.browser.env(), indexedDB: factory } })
    await assert.rejects(done, { name: 'AbortError' })
    holder.close()
    await recovers(setting, mode === 'scan')
  }
})

test('scan: one that is cancelled just before the deletion does not ask for it', async () => {
  const setting = await begin('just-before', 'scan')
  const holder = await setting.browser.open('shop', () => {})
  holder.onversionchange = null
  const control = new AbortController()
  const opened = ({ name }) => name === 'nifi-idb:shop' && control.abort()
  const factory = watched(setting.browser.indexedDB, { opened })
  const done = setting.again({ signal: control.signal, env: { ...setting.browser.env(), indexedDB: factory } })
  await assert.rejects(done, { name: 'AbortError' })
  holder.close()
  await recovers(setting)
})

test('scan: a deletion that failed changed nothing', async () => {
  const setting = await begin('undeleted', 'scan')
  const { indexedDB } = setting.browser
  const refuse = () => {
    const request = { error: new DOMException('no', 'UnknownError') }
    setTimeout(() => request.onerror())
    return request
  }
  const factory = { open: (...name) => indexedDB.open(...name), deleteDatabase: refuse }
  await assert.rejects(setting.again({ env: { ...setting.browser.env(), indexedDB: factory } }), { name: 'UnknownError' })
  await recovers(setting)
})

test('a page that makes the database again in the middle keeps it', async () => {
  for (const mode of ['scan', 'oplog']) {
    const setting = await begin(`again-${mode}`, mode)
    let other
    const upgrade = mode === 'scan' ? plain : shop
    const factory = watched(setting.browser.indexedDB, { deleted: () => (other = setting.browser.open('shop', upgrade)) })
    await assert.rejects(setting.again({ env: { ...setting.browser.env(), indexedDB: factory } }), /another page made the database/)
    ;(await other).close()
    await recovers(setting)
  }
})

// A restore of a version that this browser cannot make deletes nothing, and leaves out no more than it has to.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { restore } from '../src/index.js'
import { Browser, all } from './browser.js'

/** A `serve` with one version: a header and records of `data`. */
function holding(store, ...records) {
  const header = { format: 'indexeddb-changes/1', database: 'shop', databaseVersion: 1, stores: [store] }
  const puts = records.map((value) => ({ key: value.id, op: 'put', rev: 1, store: store.name, value }))
  const lines = [header, ...puts, { op: 'end', count: records.length }].map((line) => `${JSON.stringify(line)}\n`)
  return async (url) => new Response(`${url}`.endsWith('?limit=1') ? '{"version":1}\n' : lines.join(''))
}

const withIndex = (unique) => ({
  name: 'data',
  keyPath: 'id',
  indexes: [{ name: 'mail', keyPath: 'mail', unique, multiEntry: false }],
})

/** A browser in which the user has a record. */
async function used() {
  const browser = new Browser()
  const db = await browser.open('shop', (db) => db.createObjectStore('mine', { keyPath: 'id' }).put({ id: 'what the user had' }))
  db.close()
  return browser
}

const options = (browser, fetch) => ({ database: 'shop', url: 'http://there', env: browser.env({ fetch }) })

for (const mode of ['oplog', 'scan']) {
  test(`two records with one value of a unique index: one is skipped, and named (${mode})`, async () => {
    const browser = await used()
    const fetch = holding(withIndex(true), { id: 1, mail: 'a' }, { id: 2, mail: 'b' }, { id: 3, mail: 'a' })
    const { records, skipped } = await restore({ ...options(browser, fetch), mode })
    assert.equal(records, 2)
    assert.deepEqual(skipped.map(({ store, key, error }) => [store, key, error.name]), [['data', 3, 'ConstraintError']])
    const db = await browser.open('shop', () => {}, undefined)
    assert.deepEqual(await all(db), [{ id: 1, mail: 'a' }, { id: 2, mail: 'b' }])
    db.close()
    assert.deepEqual((await browser.indexedDB.databases()).map(({ name }) => name).filter((name) => name.startsWith('nifi-restore')), [])
  })
}

test('one value in an index that is not unique is no reason to skip', async () => {
  const browser = await used()
  const fetch = holding(withIndex(false), { id: 1, mail: 'a' }, { id: 2, mail: 'a' })
  assert.deepEqual(await restore(options(browser, fetch)).then(({ records, skipped }) => [records, skipped]), [2, []])
})

test('a schema that no browser can make fails before anything is deleted', async () => {
  for (const store of [
    { name: 'data', keyPath: 'order-id' },
    { name: 'data', keyPath: '', autoIncrement: true },
    { ...withIndex(true), indexes: [{ name: 'x', keyPath: ['a', 'b'], unique: false, multiEntry: true }] },
  ]) {
    const browser = await used()
    await assert.rejects(restore(options(browser, holding(store))), /cannot make the object stores/)
    const db = await browser.open('shop', () => assert.fail('it was deleted'), undefined)
    const kept = db.transaction('mine').objectStore('mine').getAll()
    await new Promise((resolve) => (kept.onsuccess = resolve))
    assert.deepEqual(kept.result, [{ id: 'what the user had' }])
    db.close()
    assert.deepEqual((await browser.indexedDB.databases()).map(({ name }) => name), ['shop'])
  }
})

// A history that was set back or replaced: its version numbers come again, for other data. The page notices, and overwrites nothing.

import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { changeState } from '../src/home.js'
import { restore } from '../src/index.js'
import { Browser, all, shop, write } from './browser.js'
import { serve, stored } from './serve.js'

const plain = (db) => db.createObjectStore('data', { keyPath: 'id' })
const put = (db, ...records) => write(db, (data) => records.forEach((record) => data.put(record)))
const values = async (url) => (await stored(url, 'shop')).map(({ value }) => value)
const text = (record) => JSON.stringify(Object.entries(record).sort())
const sorted = (records) => records.map(text).sort()

/** Posts that are noted: the header and the lines of each. */
function noting(posted) {
  return (url, options) => {
    if (options.body) posted.push(options.body.split('\n').slice(0, -2).map((line) => JSON.parse(line)))
    return fetch(url, options)
  }
}

/**
 * A browser at version 2 of a store that is then set back to version 1, where somebody else writes another version 2. Records: 1 is
 * from version 1, `mine` from the version 2 that is lost, `theirs` from the other one; `both` is in both, and different.
 */
async function setBack(t, { mode, before = () => {} } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'nifi-idb-history-'))
  const [store, backup] = ['store.git', 'backup.git'].map((name) => join(folder, name))
  const server = await serve(`git:${store}`)
  const [browser, posted] = [new Browser(), []]
  const options = { url: server.url, flow: 'shop', mode, env: { fetch: noting(posted) } }
  const upgrade = mode === 'scan' ? plain : shop
  const tab = await browser.tab(options, upgrade)
  const other = await new Browser().tab({ url: server.url, flow: 'shop' })
  t.after(async () => {
    for (const { client, db } of [tab, other]) {
      client.close()
      db.close()
    }
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  await put(tab.db, { id: 1, n: 0 })
  assert.equal((await tab.client.sync()).version, 1)
  await server.stop()
  cpSync(store, backup, { recursive: true })
  await server.again()
  await put(tab.db, { id: 'mine' }, { id: 'both', by: 'tab' })
  const { version, base } = await tab.client.sync()
  assert.deepEqual([version, base], [2, 2])
  await before({ tab, browser, options, server })
  await server.stop()
  rmSync(store, { recursive: true })
  cpSync(backup, store, { recursive: true })
  await server.again()
  const theirs = [{ id: 'theirs' }, { id: 'both', by: 'other' }]
  await put(other.db, ...theirs)
  assert.equal((await other.client.sync()).version, 2)
  assert.deepEqual(sorted(await values(server.url)), sorted([{ id: 1, n: 0 }, ...theirs]))
  posted.length = 0
  return { server, browser, tab, other, options, posted, upgrade, theirs }
}

/** Nothing changed there, and nothing here. */
async function unchanged({ server, theirs }, db, here) {
  assert.deepEqual(sorted(await values(server.url)), sorted([{ id: 1, n: 0 }, ...theirs]))
  assert.deepEqual(sorted(await all(db)), sorted(here))
}

const MINE = [{ id: 1, n: 1 }, { id: 'mine' }, { id: 'both', by: 'tab', n: 1 }]

for (const mode of ['oplog', 'scan']) {
  test(`a store that was set back and written by others is noticed, and restart() heals (${mode})`, async (t) => {
    const it = await setBack(t, { mode })
    const { client, db } = it.tab
    // Only asking is refused as well: what came would be put together with another history.
    assert.deepEqual([(await client.sync()).phase, client.held.reason], ['held', 'history'])
    await put(db, { id: 1, n: 1 }, { id: 'both', by: 'tab', n: 1 })
    const { phase, held, pending } = await client.sync()
    assert.deepEqual([phase, held.reason, held.plan, pending], ['held', 'history', undefined, 2])
    assert.match(held.message, /version 2 of indexeddb\/shop/)
    const [[header]] = it.posted
    assert.deepEqual([header.base.version, header.base.state.length], [2, 64])
    await unchanged(it, db, MINE)
    assert.equal((await client.confirm()).held.reason, 'history')
    await unchanged(it, db, MINE)
    const status = await client.restart()
    assert.deepEqual([status.phase, status.held, status.pending], ['idle', undefined, 0], status.message)
    assert.equal((await it.other.client.sync()).phase, 'idle')
    const there = sorted(await values(it.server.url))
    for (const id of ['mine', 'theirs']) assert.ok(there.includes(text({ id })), there.join())
    assert.deepEqual(sorted(await all(db)), there)
    assert.deepEqual(sorted(await all(it.other.db)), there)
    await put(db, { id: 'later' })
    assert.equal((await client.sync()).phase, 'idle')
  })
}

test('a page that was opened again after it, and begins a new life at once, overwrites nothing either', async (t) => {
  const it = await setBack(t)
  it.tab.client.close()
  it.tab.db.close()
  const { client, db } = await it.browser.tab(it.options)
  await put(db, { id: 1, n: 1 }, { id: 'both', by: 'tab', n: 1 })
  // It does not know that it is another history, so its records say what they are based on.
  const { phase, held } = await client.restart()
  assert.deepEqual([phase, held?.reason], ['held', 'history'])
  const [[header, ...lines]] = it.posted
  assert.deepEqual([header.mode, header.base, lines.map(({ base }) => typeof base)], ['full', undefined, ['object', 'number', 'number']])
  await unchanged(it, db, MINE)
  const status = await client.restart()
  assert.deepEqual([status.phase, status.pending], ['idle', 0], status.message)
  client.close()
  db.close()
})

test('a restore names the state of the newest version', async (t) => {
  let restored
  const before = async ({ tab, browser, options }) => {
    tab.client.close()
    tab.db.close()
    restored = await restore({ database: 'shop', ...options, version: 1, env: browser.env() })
  }
  const it = await setBack(t, { before })
  assert.deepEqual([restored.version, restored.head, restored.changes], [1, 2, 2])
  const { client, db } = await it.browser.tab(it.options)
  const { phase, held } = await client.sync()
  assert.deepEqual([phase, held?.reason, it.posted[0][0].base.version], ['held', 'history', 2])
  await unchanged(it, db, [{ id: 1, n: 0 }])
  client.close()
  db.close()
})

test('a row of an earlier release, without a state, goes on and learns it', async (t) => {
  const server = await serve()
  const posted = []
  const { client, db } = await new Browser().tab({ url: server.url, flow: 'shop', env: { fetch: noting(posted) } })
  t.after(async () => {
    client.close()
    db.close()
    await server.stop()
  })
  await put(db, { id: 1 })
  await client.sync()
  await changeState(client.home, (state) => delete state.named)
  for (const [id, ...bases] of [[2, 1], [3, 'object']]) {
    posted.length = 0
    await put(db, { id })
    const { phase, base } = await client.sync()
    assert.deepEqual([phase, base], ['idle', id])
    const said = posted[0][0].base
    assert.deepEqual([typeof said === 'number' ? said : typeof said], bases)
  }
  assert.equal(client.state.named.version, 3)
})

test('the state of a version in between is not known: its number alone is sent', async (t) => {
  const server = await serve()
  const posted = []
  const options = { url: server.url, flow: 'shop' }
  const slow = { wait: undefined }
  const fetchSlowly = async (...request) => {
    const response = await noting(posted)(...request)
    await slow.wait?.()
    return response
  }
  const a = await new Browser().tab({ ...options, env: { fetch: fetchSlowly } })
  const b = await new Browser().tab(options)
  t.after(async () => {
    for (const { client, db } of [a, b]) {
      client.close()
      db.close()
    }
    await server.stop()
  })
  await put(a.db, { id: 1, n: 0 })
  for (const { client } of [a, b]) await client.sync()
  for (const n of [1, 2]) {
    await put(b.db, { id: n === 1 ? 'one' : 1, n })
    await b.client.sync()
  }
  // What the page writes while the answer is under way keeps the newest version out, which changed the same record.
  posted.length = 0
  slow.wait = () => {
    slow.wait = undefined
    return put(a.db, { id: 1, m: 1 })
  }
  const before = await a.client.sync()
  assert.deepEqual([before.base, a.client.state.named.version], [before.version - 1, 1])
  const { phase, base } = await a.client.sync()
  const said = posted.map(([{ base }]) => base)
  assert.deepEqual([phase, said[0].version, said[1]], ['idle', 1, before.base])
  assert.equal(a.client.state.named.version, base)
})

// Two browsers insert one value of a unique index: nobody loses a record, and a person is asked.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { changeState } from '../src/home.js'
import { NifiClient, nifiStores, restore } from '../src/index.js'
import { Browser, all, write } from './browser.js'
import { program, serve, stored } from './serve.js'

const make = (db) => db.createObjectStore('data', { keyPath: 'id' }).createIndex('mail', 'mail', { unique: true })
const people = (db) => {
  make(db)
  nifiStores(db)
}
const put = (db, ...records) => write(db, (data) => records.forEach((record) => data.put(record)))
const X = 'x@shop.example'

/** The details of all events of one type. */
function events(client, type) {
  const heard = []
  client.addEventListener(type, ({ detail }) => heard.push(detail))
  return heard
}

for (const mode of ['oplog', 'scan']) {
  test(`both pages keep their own record, the second is told, and a third can restore (${mode})`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'nifi-idb-unique-'))
    const store = `git:${join(folder, 'store.git')}`
    const server = await serve(store)
    const options = { url: server.url, flow: 'shop', mode }
    const upgrade = mode === 'scan' ? make : people
    const [a, b] = [await new Browser().tab(options, upgrade), await new Browser().tab(options, upgrade)]
    t.after(async () => {
      for (const { client, db } of [a, b]) {
        client.close()
        db.close()
      }
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    })
    const [conflicts, skipped, resolved] = ['conflict', 'skipped', 'resolved'].map((type) => events(b.client, type))
    await put(a.db, { id: 'a', mail: X })
    await a.client.sync()
    await put(b.db, { id: 'b', mail: X }, { id: 'other', mail: 'y@shop.example' })
    let status = await b.client.sync()
    // Nothing waits to be sent: what is decided by a person is not sent again and again.
    assert.deepEqual([status.phase, status.pending], ['idle', 0], status.message)
    const told = ({ store, key, kind, winner, other }) => ({ store, key, kind, winner, other })
    const expected = { store: 'data', key: 'b', kind: 'unique-index', winner: 'none', other: 'a' }
    assert.deepEqual([conflicts.map(told), status.conflicts.map(told)], [[expected], [expected]])
    // This page cannot hold the other record beside its own.
    assert.deepEqual(skipped.map(({ key }) => key), ['a'])
    // A full batch tells it again; it is still one conflict.
    await changeState(b.client.home, (state) => (state.full = true))
    status = await b.client.sync()
    assert.deepEqual([status.phase, status.conflicts.map(told)], ['idle', [expected]], status.message)
    await a.client.sync()
    const other = { id: 'other', mail: 'y@shop.example' }
    assert.deepEqual(await all(a.db), [{ id: 'a', mail: X }, other])
    assert.deepEqual(await all(b.db), [{ id: 'b', mail: X }, other])
    assert.deepEqual((await stored(server.url, 'shop')).map(({ key }) => key), ['a', 'other'])

    const third = new Browser()
    const restored = await restore({ database: 'shop', ...options, env: third.env() })
    assert.deepEqual([restored.records, restored.skipped], [2, []])
    const c = await third.open('shop', () => {})
    const client = new NifiClient({ database: 'shop', stores: ['data'], interval: 0, delay: 1e9, ...options, env: third.env() })
    if (mode === 'oplog') client.capture(c)
    assert.equal((await client.sync()).phase, 'idle')
    assert.deepEqual(await all(c), [{ id: 'a', mail: X }, other])

    // Once the other record has given its value up, a person lets this one in.
    await put(a.db, { id: 'a', mail: 'z@shop.example' })
    await a.client.sync()
    const command = (...words) => execFileSync(program, ['conflicts', ...words, '--store', store, '--flow', 'shop'], { encoding: 'utf8' })
    const { id } = JSON.parse(command('list').split('\n')[0])
    command('resolve', JSON.stringify(id), '--use', 'incoming')
    status = await b.client.sync()
    assert.deepEqual([status.phase, status.conflicts, resolved.map(({ use }) => use)], ['idle', [], ['incoming']], status.message)
    const everything = [{ id: 'a', mail: 'z@shop.example' }, { id: 'b', mail: X }, other]
    for (const [db, sync] of [[a.db, a.client], [b.db, b.client], [c, client]]) {
      await sync.sync()
      await sync.sync()
      assert.deepEqual(await all(db), everything)
    }
    client.close()
    c.close()
  })
}

test('a page gives its record another value, and it is stored', async (t) => {
  const server = await serve()
  const options = { url: server.url, flow: 'shop' }
  const [a, b] = [await new Browser().tab(options, people), await new Browser().tab(options, people)]
  t.after(async () => {
    for (const { client, db } of [a, b]) {
      client.close()
      db.close()
    }
    await server.stop()
  })
  await put(a.db, { id: 'a', mail: X })
  await a.client.sync()
  await put(b.db, { id: 'b', mail: X })
  assert.equal((await b.client.sync()).conflicts.length, 1)
  // Another edit that does not help is the same conflict.
  await put(b.db, { id: 'b', mail: X, n: 1 })
  assert.deepEqual((await b.client.sync()).conflicts.map(({ key }) => key), ['b'])
  await put(b.db, { id: 'b', mail: 'b@shop.example', n: 1 })
  await b.client.sync()
  const expected = [{ id: 'a', mail: X }, { id: 'b', mail: 'b@shop.example', n: 1 }]
  assert.deepEqual((await stored(server.url, 'shop')).map(({ value }) => value), expected)
  await a.client.sync()
  assert.deepEqual(await all(a.db), expected)
  // What this page could not hold comes with its next change, or with everything.
  assert.deepEqual(await all(b.db), expected.slice(1))
  assert.equal((await b.client.restart()).phase, 'idle')
  assert.deepEqual(await all(b.db), expected)
})

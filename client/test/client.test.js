import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { changeState } from '../src/home.js'
import { OPS, result, transaction } from '../src/idb.js'
import { NifiClient, restore } from '../src/index.js'
import { Browser, all, write } from './browser.js'
import { program, serve, stored } from './serve.js'
import { run } from './vectors.js'

let server
before(async () => (server = await serve()))
after(() => server.stop())

test('the vectors of the sidecar', async () => {
  const text = readFileSync(new URL('../../tests/fixtures/values/canonical.ndjson', import.meta.url), 'utf8')
  const { passed, failed, skipped } = await run(text)
  assert.deepEqual(failed, [])
  assert.ok(passed > 150, `${passed} passed`)
  assert.ok(skipped.length < 8, skipped.join('\n'))
})

test('writes reach the sidecar, and the other browser', async () => {
  const options = { url: server.url, flow: 'two' }
  const [a, b] = [await new Browser().tab(options), await new Browser().tab(options)]
  await write(a.db, (data) => {
    data.put({ id: 1, text: 'one' })
    data.put({ id: 2, text: 'two' })
  })
  let status = await a.client.sync()
  assert.equal(status.phase, 'idle', status.message)
  assert.equal(status.pending, 0)
  await write(a.db, (data) => data.put({ id: 3, text: 'three' }))
  assert.equal((await a.client.status()).pending, 1)
  status = await a.client.sync()
  assert.deepEqual([status.phase, status.pending, status.version], ['idle', 0, 2])
  await b.client.sync()
  assert.deepEqual(await all(b.db), await all(a.db))
  await write(b.db, (data) => data.delete(2))
  await b.client.sync()
  await a.client.sync()
  assert.deepEqual((await all(a.db)).map(({ id }) => id), [1, 3])
  const lines = await stored(server.url, 'two')
  assert.deepEqual(lines.map(({ key }) => key), [1, 3])
  a.client.close()
  b.client.close()
})

test('offline edits of different members are merged on both sides', async () => {
  const options = { url: server.url, flow: 'merge' }
  const [a, b] = [await new Browser().tab(options), await new Browser().tab(options)]
  await write(a.db, (data) => data.put({ id: 1, x: 0, y: 0 }))
  await a.client.sync()
  await b.client.sync()
  await write(a.db, (data) => data.put({ id: 1, x: 1, y: 0 }))
  await write(b.db, (data) => data.put({ id: 1, x: 0, y: 1 }))
  await a.client.sync()
  await b.client.sync()
  await a.client.sync()
  assert.deepEqual(await all(a.db), [{ id: 1, x: 1, y: 1 }])
  assert.deepEqual(await all(b.db), [{ id: 1, x: 1, y: 1 }])
  a.client.close()
  b.client.close()
})

test('an answer that is lost after the commit is not a second change, and what came on top is based on it', async () => {
  let lose = false
  const lossy = async (...request) => {
    const response = await fetch(...request)
    await response.clone().text()
    if (lose) throw new TypeError('the answer was lost')
    return response
  }
  const options = { url: server.url, flow: 'lost' }
  const a = await new Browser().tab({ ...options, env: { fetch: lossy } })
  const b = await new Browser().tab(options)
  await write(a.db, (data) => data.put({ id: 1, n: 0 }))
  await a.client.sync()
  await b.client.sync()
  lose = true
  await write(a.db, (data) => data.put({ id: 1, n: 1 }))
  assert.equal((await a.client.sync()).phase, 'offline')
  await b.client.sync()
  assert.deepEqual(await all(b.db), [{ id: 1, n: 1 }])
  await write(b.db, (data) => data.put({ id: 1, n: 1, b: true }))
  await b.client.sync()
  await write(a.db, (data) => data.put({ id: 1, n: 2 }))
  lose = false
  const status = await a.client.sync()
  assert.deepEqual([status.phase, status.pending], ['idle', 0], status.message)
  assert.deepEqual(await all(a.db), [{ id: 1, n: 2, b: true }])
  a.client.close()
  b.client.close()
})

test('ranges, clears and cursors are expanded, and automatic keys taken from the result', async () => {
  const upgrade = (db) => {
    db.createObjectStore('data', { keyPath: 'a.id', autoIncrement: true })
    db.createObjectStore('out', { autoIncrement: true }).createIndex('n', 'n')
    nifiStores(db)
  }
  const { nifiStores } = await import('../src/index.js')
  const { db, client } = await new Browser().tab({ url: server.url, flow: 'keys', stores: ['data', 'out'] }, upgrade)
  await client.sync()
  await write(db, (data) => [1, 2, 3, 4].forEach((n) => data.add({ n })))
  await write(db, (out) => [5, 6, 7].forEach((n) => out.add({ n })), 'out')
  await write(db, (data) => data.delete(IDBKeyRange.bound(2, 3)))
  await write(
    db,
    (out) => {
      out.index('n').openCursor().onsuccess = ({ target: { result } }) => {
        if (!result) return
        if (result.value.n === 5) result.delete()
        if (result.value.n === 6) result.update({ n: 60 })
        result.continue()
      }
    },
    'out',
  )
  await client.sync()
  const lines = await stored(server.url, 'keys')
  const short = ({ store, key, value }) => [store, key, JSON.stringify(value)]
  assert.deepEqual(lines.map(short), [
    ['data', 1, '{"a":{"id":1},"n":1}'],
    ['data', 4, '{"a":{"id":4},"n":4}'],
    ['out', 2, '{"n":60}'],
    ['out', 3, '{"n":7}'],
  ])
  await write(db, (out) => out.clear(), 'out')
  await client.sync()
  assert.equal((await stored(server.url, 'keys')).length, 2)
  client.close()
})

test('what is aborted is not sent, and does not use up numbers', async () => {
  const { db, client } = await new Browser().tab({ url: server.url, flow: 'abort' })
  await client.sync()
  await write(db, (data, tx) => {
    data.put({ id: 1 })
    tx.abort()
  }).catch(() => {})
  await write(db, (data) => data.put({ id: 2 }))
  const status = await client.sync()
  assert.deepEqual([status.phase, status.pending], ['idle', 0], status.message)
  assert.deepEqual((await stored(server.url, 'abort')).map(({ key }) => key), [2])
  client.close()
})

test('a scan sends differences and deletions, and applies what others changed', async () => {
  const plain = (db) => db.createObjectStore('data', { keyPath: 'id' })
  const options = { url: server.url, flow: 'scan', mode: 'scan' }
  const [a, b] = [await new Browser().tab(options, plain), await new Browser().tab(options, plain)]
  await write(a.db, (data) => [1, 2, 3].forEach((id) => data.put({ id, x: 0, y: 0 })))
  let status = await a.client.sync()
  assert.deepEqual([status.phase, status.pending, status.version], ['idle', 0, 1], status.message)
  await b.client.sync()
  assert.deepEqual(await all(b.db), await all(a.db))
  await write(a.db, (data) => {
    data.put({ id: 1, x: 1, y: 0 })
    data.delete(2)
  })
  await write(b.db, (data) => data.put({ id: 1, x: 0, y: 1 }))
  await a.client.sync()
  await b.client.sync()
  await a.client.sync()
  const merged = [{ id: 1, x: 1, y: 1 }, { id: 3, x: 0, y: 0 }]
  assert.deepEqual(await all(a.db), merged)
  assert.deepEqual(await all(b.db), merged)
  const { version } = await a.client.status()
  status = await a.client.sync()
  assert.equal(status.version, version, 'nothing changed, nothing is sent')
  a.client.close()
  b.client.close()
})

test('a restore gives yesterday back, here and elsewhere', async () => {
  const options = { url: server.url, flow: 'back' }
  const browser = new Browser()
  const [a, b] = [await browser.tab(options), await new Browser().tab(options)]
  await write(a.db, (data) => [1, 2, 3].forEach((id) => data.put({ id, at: 'first' })))
  await a.client.sync()
  await write(a.db, (data) => {
    data.put({ id: 1, at: 'second' })
    data.delete(2)
    data.put({ id: 4 })
  })
  await a.client.sync()
  await b.client.sync()
  a.client.close()
  const done = await restore({ database: 'shop', ...options, version: 1, env: browser.env() })
  assert.deepEqual([done.version, done.records, done.changes], [1, 3, 3])
  const again = await browser.tab(options)
  const first = [1, 2, 3].map((id) => ({ id, at: 'first' }))
  assert.deepEqual(await all(again.db), first)
  assert.equal((await again.client.sync()).phase, 'idle')
  assert.deepEqual(await all(again.db), first)
  await b.client.sync()
  assert.deepEqual(await all(b.db), first)
  again.client.close()
  b.client.close()
})

test('a flow like live-sync, that gives a status and a report and nothing else', async () => {
  const asked = []
  // What NiFi lets through of the sidecar's answer.
  const flow = async (address, options) => {
    const { pathname } = new URL(address)
    asked.push(pathname)
    const [, what, source] = pathname.split('/')
    const path = what === 'sync' ? '/v1/flows/indexeddb/nifi/sync?pull=true' : `/v1/flows/indexeddb/nifi/sources/${source}`
    const answer = await fetch(server.url + path, { ...options, signal: undefined })
    return new Response(await answer.text(), { status: answer.status })
  }
  const browser = new Browser()
  const options = { syncUrl: 'https://nifi.example/sync/{source}', sourcesUrl: 'https://nifi.example/sources/{source}', env: { fetch: flow } }
  const { db, client } = await browser.tab(options)
  await write(db, (data) => data.put({ id: 1 }))
  const { source } = await client.sync()
  assert.ok(asked.every((path) => path === `/sync/${source}`), asked.join())
  // Numbers that the sidecar never saw: it wants everything.
  client.state = await changeState(client.home, (state) => Object.assign(state, { offset: state.offset - 5 }))
  await write(db, (data) => data.put({ id: 2 }))
  const status = await client.sync()
  assert.deepEqual([status.phase, status.pending], ['idle', 0], status.message)
  assert.deepEqual((await stored(server.url, 'nifi')).map(({ key }) => key), [1, 2])
  client.close()
  db.close()
  // It takes batches; versions are read where they are.
  const again = { ...options, database: 'shop', env: browser.env() }
  await assert.rejects(restore(again), /needs the url of nifi-idb serve/)
  assert.equal((await restore({ ...again, url: server.url, flow: 'nifi' })).records, 2)
})

test('another store is a question, and everything is sent to it', async () => {
  const first = await serve()
  const browser = new Browser()
  const { db, client } = await browser.tab({ url: first.url, flow: 'gap' })
  await write(db, (data) => data.put({ id: 1 }))
  await client.sync()
  await first.stop()
  const second = await serve()
  client.options.url = second.url
  client.options.twoWay = false
  await write(db, (data) => data.put({ id: 2 }))
  const status = await client.sync()
  // The new store has no version that this client has applied: a person says so.
  assert.equal(status.phase, 'held', status.message)
  assert.equal((await client.restart()).phase, 'idle')
  assert.deepEqual((await stored(second.url, 'gap')).map(({ key }) => key), [1, 2])
  client.close()
  await second.stop()
})

test('a new life: its records say what they are based on, so that an old copy is not a change, and everything comes', async () => {
  const posted = []
  const noting = (url, options) => {
    posted.push(options.body.split('\n').slice(0, -2).map((line) => JSON.parse(line)))
    return fetch(url, options)
  }
  const options = { url: server.url, flow: 'lives' }
  const [a, b] = [await new Browser().tab(options), await new Browser().tab({ ...options, env: { fetch: noting } })]
  await write(a.db, (data) => ['old', 'same'].forEach((id) => data.put({ id, n: 0 })))
  await a.client.sync()
  await b.client.sync()
  await write(b.db, (data) => data.put({ id: 'own', n: 0 }))
  const { version } = await b.client.sync()
  await write(a.db, (data) => data.put({ id: 'old', n: 1 }))
  await a.client.sync()
  await write(b.db, (data) => data.put({ id: 'own', n: 1 }))
  // One that waits is based on what it was made on.
  const own = '{"id":"own","n":0}'
  await transaction(b.db, OPS, 'readwrite', async (tx) => {
    const cursor = await result(tx.objectStore(OPS).openCursor())
    cursor.update({ ...cursor.value, base: own })
  })
  const bases = async (work) => {
    posted.length = 0
    await work()
    const [{ mode, base }, ...lines] = posted[0]
    return [mode, base, Object.fromEntries(lines.map(({ key, base }) => [key, base]))]
  }
  // The state of a version is said once.
  const { named } = b.client.state
  assert.equal(named.version, version)
  const based = { old: named, own: { value: JSON.parse(own) }, same: version }
  assert.deepEqual(await bases(() => b.client.restart()), ['full', undefined, based])
  assert.ok((await all(b.db)).length === 3 && (await b.client.status()).base > version)
  // Somebody else goes on under its name; and it is for the next one to say so.
  const { base } = await b.client.status()
  await changeState(b.client.home, (state) => Object.assign(state, { offset: state.offset + 2 }))
  await write(b.db, (data) => data.put({ id: 'own', n: 2 }))
  const { source } = await b.client.status()
  await bases(() => b.client.sync())
  const [header, ...lines] = posted[1]
  assert.deepEqual([header.mode, header.source === source, header.base], ['full', false, undefined])
  const { state } = lines[0].base
  assert.equal(state.length, 64)
  assert.deepEqual(lines.map(({ key, base }) => [key, base]), [['old', { version: base, state }], ['own', base], ['same', base]])
  // Another store's versions say nothing.
  b.client.held = { reason: 'history' }
  assert.deepEqual(await bases(() => b.client.restart()), ['full', undefined, { old: undefined, own: undefined, same: undefined }])
  for (const { client, db } of [a, b]) {
    client.close()
    db.close()
  }
})

test('what is sent is on the disk before, so that no number comes again after a power cut', async () => {
  const done = []
  const browser = new Browser()
  const env = { fetch: (url, options) => (done.push('post'), fetch(url, options)) }
  const { db, client } = await browser.tab({ url: server.url, flow: 'disk', maxBatchOps: 2, env })
  await client.status()
  const { open } = browser.indexedDB
  browser.indexedDB.open = (...name) => {
    const request = open.apply(browser.indexedDB, name)
    request.addEventListener('success', () => {
      const { transaction } = request.result
      request.result.transaction = function (scope, mode, options) {
        const tx = transaction.call(this, scope, mode, options)
        if (tx.durability === 'strict') tx.addEventListener('complete', () => done.push([...tx.objectStoreNames].join()))
        return tx
      }
    })
    return request
  }
  await client.sync()
  await write(db, (data) => [1, 2, 3].forEach((id) => data.put({ id })))
  await client.sync()
  const numbered = ['nifi-meta', 'post']
  assert.deepEqual(done, [...numbered, ...numbered, ...numbered])
  client.close()
  db.close()
})

test('a parked conflict is known on the page, and gone once a person decided it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'nifi-idb-parked-'))
  writeFileSync(join(folder, 'policy.toml'), 'version = 1\n[[defaults.rules]]\nname = "people"\ntypes = ["update-update"]\nthen = "park"\n')
  const store = `git:${join(folder, 'snapshots.git')}`
  const own = await serve(store, '--policy', join(folder, 'policy.toml'))
  const options = { url: own.url, flow: 'parked' }
  const [a, b] = [await new Browser().tab(options), await new Browser().tab(options)]
  await write(a.db, (data) => data.put({ id: 1, n: 0 }))
  for (const { client } of [a, b]) await client.sync()
  await write(a.db, (data) => data.put({ id: 1, n: 'a' }))
  await write(b.db, (data) => data.put({ id: 1, n: 'b' }))
  await a.client.sync()
  let status = await b.client.sync()
  assert.deepEqual(status.conflicts.map(({ store, key, winner }) => [store, key, winner]), [['data', 1, 'none']])
  assert.deepEqual(await all(b.db), [{ id: 1, n: 'a' }])
  const conflicts = (...words) => execFileSync(program, ['conflicts', ...words, '--store', store, '--flow', 'parked'], { encoding: 'utf8' })
  const { id } = JSON.parse(conflicts('list').split('\n')[0])
  conflicts('resolve', JSON.stringify(id), '--use', 'incoming')
  const decided = []
  b.client.addEventListener('resolved', ({ detail }) => decided.push(detail.use))
  status = await b.client.sync()
  await b.client.sync()
  assert.deepEqual([status.conflicts, decided], [[], ['incoming']])
  await a.client.sync()
  for (const { db, client } of [a, b]) {
    assert.deepEqual(await all(db), [{ id: 1, n: 'b' }])
    client.close()
  }
  await own.stop()
  rmSync(folder, { recursive: true })
})

test('by itself: after a write, from another tab, and not more often than it should after failures', async () => {
  let calls = 0
  let down = false
  const counted = (...request) => {
    calls++
    return down ? Promise.reject(new TypeError('down')) : fetch(...request)
  }
  const browser = new Browser()
  const options = { url: server.url, flow: 'itself', delay: 5, minRetry: 60, maxRetry: 1000, env: { fetch: counted } }
  const [sender, writer] = [await browser.tab(options), await browser.tab(options)]
  sender.client.start()
  const until = async (done) => {
    for (let tries = 0; tries < 300 && !(await done()); tries++) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.ok(await done())
  }
  await until(async () => (await sender.client.status()).version > 0)
  // This tab has not begun to sync: it wakes the other.
  await write(writer.db, (data) => data.put({ id: 1 }))
  await until(async () => (await stored(server.url, 'itself')).length === 1)
  down = true
  calls = 0
  for (let id = 2; id < 12; id++) {
    await write(writer.db, (data) => data.put({ id }))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.ok(calls > 0 && calls < 5, `${calls} calls`)
  down = false
  await until(async () => (await stored(server.url, 'itself')).length === 11)
  sender.client.close()
  writer.client.close()
})

test('what was deleted before a full batch follows it in the same sync', async () => {
  const { db, client } = await new Browser().tab({ url: server.url, flow: 'deleted-early' })
  await write(db, (data) => {
    data.put({ id: 1 })
    data.put({ id: 2 })
    data.delete(1)
  })
  const status = await client.sync()
  assert.deepEqual([status.phase, status.pending], ['idle', 0])
  assert.deepEqual((await stored(server.url, 'deleted-early')).map(({ key }) => key), [2])
  client.close()
  db.close()
})

test('a page that never stops writing: each sync ends, says so, and lets others have their turn', async () => {
  const { db, client } = await new Browser().tab({ url: server.url, flow: 'busy', maxBatchOps: 4 })
  await client.sync()
  const said = []
  client.addEventListener('status', ({ detail }) => said.push(detail))
  let writing = true
  let n = 0
  const writer = (async () => {
    while (writing) await write(db, (data) => data.put({ id: 1, n: ++n }))
  })()
  while (n < 5) await new Promise((resolve) => setTimeout(resolve, 1))
  // More calls than one while it works get the turn after it, all of them the same.
  const [first, second, third] = await Promise.all([client.sync(), client.sync(), client.sync()])
  writing = false
  await writer
  assert.deepEqual([first.phase, second.phase, third], ['idle', 'idle', second])
  assert.ok(second.version > first.version && first.pending > 0, JSON.stringify([first, second]))
  assert.equal(said.length, 2)
  assert.deepEqual([(await client.sync()).pending, (await stored(server.url, 'busy'))[0].value.n], [0, n])
  client.close()
  db.close()
})

test('a mistake is said in words', async () => {
  const plain = (db) => db.createObjectStore('data', { keyPath: 'id' })
  const said = async (options, upgrade, forget) => {
    const browser = new Browser()
    const { db, client } = await browser.tab({ url: server.url, flow: 'mistakes', ...options }, upgrade)
    const other = forget ? new NifiClient({ ...client.options, env: browser.env() }) : client
    const { phase, message } = await other.sync()
    for (const it of new Set([client, other])) it.close()
    db.close()
    return `${phase}: ${message}`
  }
  assert.equal(await said({}), 'idle: undefined')
  assert.equal(await said({ stores: ['data', 'order', 'item'] }), 'idle: there is no object store order,item')
  assert.equal(await said({ stores: ['datas'] }), 'idle: there is no object store datas')
  assert.equal(await said({}, undefined, true), 'idle: capture(db) was not called')
  assert.equal(await said({ mode: 'scan' }, plain), 'idle: undefined')
  await assert.rejects(said({}, plain), /call nifiStores\(db\) in onupgradeneeded, in a new version/)
  assert.equal(await said({ url: `${server.url}/api` }), 'failed: there is nothing at this path; doc/reference/http.md lists the routes')
  const answer = (response) => said({ url: 'http://x', flow: undefined, env: { fetch: async () => response() } })
  assert.equal(await answer(() => new Response('', { status: 404 })), 'failed: HTTP 404: http://x/v1/sync')
  assert.equal(await answer(() => new Response('<html>')), 'offline: no report: http://x/v1/sync')
  const lost = () => {
    throw new TypeError('lost')
  }
  assert.equal(await answer(lost), 'offline: TypeError: lost: http://x/v1/sync')
})

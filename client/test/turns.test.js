// Turns: what becomes of a sync when something else happens meanwhile.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { changeState } from '../src/home.js'
import { NifiClient } from '../src/index.js'
import { Browser, all, write } from './browser.js'
import { serve, stored } from './serve.js'

let server
before(async () => (server = await serve()))
after(() => server.stop())

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const plain = (db) => db.createObjectStore('data', { keyPath: 'id' })
const many = ({ db }) => write(db, (data) => Array.from({ length: 30 }, (_, id) => data.put({ id })))
const put = ({ db }, id) => write(db, (data) => data.put({ id }))
/** Waits until something is so, however busy the machine is. */
async function until(done) {
  for (let tries = 0; tries < 1000 && !done(); tries++) await pause(10)
}
const count = async (flow) => (await stored(server.url, flow)).length

/** A network that counts, and keeps answers back while `wait` is set. */
function network() {
  const net = { calls: 0, wait: undefined }
  net.fetch = async (url, options) => {
    net.calls++
    const response = await fetch(url, { ...options, keepalive: false })
    await net.wait
    return response
  }
  net.hold = () => (net.wait = new Promise((resolve) => (net.go = () => resolve((net.wait = undefined)))))
  return net
}

test('what is held in two tabs and confirmed in one is held in neither, and held is asked about again', async () => {
  const [browser, net] = [new Browser(), network()]
  const options = { url: server.url, flow: 'held-twice' }
  const [one, two] = [await browser.tab(options), await browser.tab({ ...options, interval: 20, env: { fetch: net.fetch } })]
  await many(one)
  await one.client.sync()
  await write(one.db, (data) => data.clear())
  for (const { client } of [one, two]) assert.equal((await client.sync()).held.reason, 'guard')
  assert.equal((await one.client.confirm()).phase, 'idle')
  two.client.started = true
  const { phase, held, pending } = await two.client.sync()
  assert.deepEqual([phase, held, pending], ['idle', undefined, 0])
  await put(one, 1)
  await many(one)
  await one.client.sync()
  await write(one.db, (data) => data.clear())
  assert.equal((await two.client.sync()).held.reason, 'guard')
  net.calls = 0
  await until(() => net.calls > 2)
  assert.ok(net.calls > 2, `${net.calls} calls`)
  for (const { client } of [one, two]) client.close()
})

test('a version change while an answer is awaited: it goes on with the new version', async () => {
  const [browser, net] = [new Browser(), network()]
  const { client } = await browser.tab({ url: server.url, flow: 'version', delay: 5, minRetry: 10, maxRetry: 50, env: { fetch: net.fetch } })
  await client.sync()
  client.start()
  net.hold()
  net.calls = 0
  client.wake(0)
  await until(() => net.calls)
  const phases = []
  client.addEventListener('phase', ({ detail }) => phases.push(detail.phase))
  const next = await browser.open('shop', () => {}, 2)
  net.go()
  await until(() => phases.at(-1) === 'idle')
  assert.deepEqual([phases[0], phases.at(-1)], ['offline', 'idle'], phases.join())
  client.close()
  next.close()
})

for (const [reason, mode] of [['guard', 'oplog'], ['scan', 'scan']]) {
  test(`confirm() while a sync is under way, of a ${reason}`, async () => {
    const net = network()
    const options = { url: server.url, flow: `confirm-${mode}`, mode, env: { fetch: net.fetch } }
    const tab = await new Browser().tab(options, mode === 'scan' ? plain : undefined)
    const { client } = tab
    await many(tab)
    await client.sync()
    await write(tab.db, (data) => data.clear())
    assert.equal((await client.sync()).held.reason, reason)
    net.hold()
    client.sync()
    client.sync()
    await pause(30)
    const confirmed = client.confirm()
    await pause(10)
    net.go()
    let status = await confirmed
    // The sidecar asks too.
    if (reason === 'scan') status = status.held.reason === 'guard' ? await client.confirm() : status
    assert.deepEqual([status.phase, await count(`confirm-${mode}`)], ['idle', 0], status.message)
    client.close()
  })
}

test('confirm() is not lost with the network', async () => {
  let down = false
  const fails = (...request) => (down ? Promise.reject(new TypeError('down')) : fetch(...request))
  const tab = await new Browser().tab({ url: server.url, flow: 'confirm-offline', env: { fetch: fails } })
  await many(tab)
  await tab.client.sync()
  await write(tab.db, (data) => data.clear())
  assert.equal((await tab.client.sync()).phase, 'held')
  down = true
  assert.equal((await tab.client.confirm()).phase, 'offline')
  down = false
  assert.deepEqual([(await tab.client.sync()).phase, await count('confirm-offline')], ['idle', 0])
  tab.client.close()
})

test('after close() writes are written down, and nothing is opened', async () => {
  const browser = new Browser()
  const options = { url: server.url, flow: 'closed' }
  const tab = await browser.tab(options)
  await tab.client.sync()
  let free
  browser.locks.request('', () => new Promise((resolve) => (free = resolve)))
  await pause(5)
  const waiting = tab.client.sync()
  tab.client.close()
  free()
  await waiting
  assert.equal((await tab.client.restart()).pending, 0)
  assert.deepEqual([tab.client.app, tab.client.home], [undefined, undefined])
  const errors = []
  const caught = (error) => errors.push(error)
  process.on('uncaughtException', caught)
  await put(tab, 1)
  await pause(20)
  process.off('uncaughtException', caught)
  assert.deepEqual(errors, [])
  const next = await browser.tab(options)
  assert.deepEqual([(await next.client.sync()).pending, await count('closed')], [0, 1])
  next.client.close()
})

test('headers() that never answers, or fails, lets other tabs have their turn', async () => {
  const browser = new Browser()
  const options = { url: server.url, flow: 'headers' }
  const [one, two] = [await browser.tab({ ...options, timeout: 50, headers: () => new Promise(() => {}) }), await browser.tab(options)]
  const [first, second] = await Promise.all([one.client.sync(), two.client.sync()])
  assert.deepEqual([first.phase, first.message, second.phase], ['offline', 'headers: Error: nothing came in 50 ms', 'idle'])
  one.client.options.headers = async () => Promise.reject(new TypeError('no token'))
  assert.equal((await one.client.sync()).message, 'headers: TypeError: no token')
  for (const { client } of [one, two]) client.close()
})

test('a token that is over is tried again soon, another refusal is not', async () => {
  for (const [status, soon] of [[401, true], [403, false]]) {
    const fetch = async () => new Response('', { status })
    const { client } = await new Browser().tab({ url: server.url, minRetry: 10, maxRetry: 1e6, env: { fetch } })
    const begun = performance.now()
    assert.equal((await client.sync()).phase, 'failed')
    assert.equal(client.notBefore - begun < 1000, soon)
    client.close()
  }
})

test('a wait after a failure is not cut short by what was written before it', async () => {
  let calls = 0
  const fails = async () => {
    calls++
    await pause(30)
    throw new TypeError('down')
  }
  const tab = await new Browser().tab({ url: server.url, delay: 10, minRetry: 5000, maxRetry: 10000, env: { fetch: fails } })
  tab.client.start()
  for (let id = 0; id < 30; id++) {
    await put(tab, id)
    await pause(5)
  }
  tab.client.close()
  assert.equal(calls, 1)
})

test('an interval of a month', async () => {
  const net = network()
  const { client } = await new Browser().tab({ url: server.url, flow: 'month', interval: 30 * 86400e3, delay: 5, env: { fetch: net.fetch } })
  client.start()
  await pause(200)
  client.close()
  assert.ok(net.calls < 4, `${net.calls} calls`)
})

test('a page that is hidden while a sync waits', async () => {
  const seen = []
  const noting = async (url, options) => {
    seen.push(options.keepalive)
    return fetch(url, { ...options, keepalive: false })
  }
  const { client } = await new Browser().tab({ url: server.url, flow: 'hidden', env: { fetch: noting } })
  client.sync()
  client.sync()
  await client.sync({ keepalive: true })
  assert.equal(seen.at(-1), true)
  client.close()
})

test('a sync that is asked for while a status is made comes after it', async () => {
  const net = network()
  const tab = await new Browser().tab({ url: server.url, flow: 'status', env: { fetch: net.fetch } })
  const { client } = tab
  const { status } = client
  await client.sync()
  net.hold()
  client.sync()
  await pause(20)
  client.status = async () => {
    client.status = status
    const made = await client.status()
    client.sync()
    await pause(5)
    return made
  }
  await put(tab, 1)
  const next = client.sync()
  net.go()
  assert.deepEqual([(await next).pending, await count('status')], [0, 1])
  client.close()
})

test('a scan: what is changed while the answer comes is made on what was sent, not on what it was merged to', async () => {
  const net = network()
  const options = { url: server.url, flow: 'after-scan' }
  const [a, b] = [await new Browser().tab(options), await new Browser().tab({ ...options, mode: 'scan', env: { fetch: net.fetch } }, plain)]
  const set = ({ db }, value) => write(db, (data) => data.put({ id: 1, ...value }))
  await set(a, { x: 0, y: 0 })
  for (const { client } of [a, b]) await client.sync()
  await set(a, { x: 0, y: 1 })
  await put(a, 2)
  await a.client.sync()
  await set(b, { x: 1, y: 0 })
  for (const x of [2, 3]) {
    net.hold()
    net.calls = 0
    const turn = b.client.sync()
    // What is sent is made, and the answer does not come yet.
    await until(() => net.calls)
    await set(b, { x, y: 0 })
    net.go()
    await turn
  }
  for (const { client } of [b, a, b]) await client.sync()
  for (const { client, db } of [a, b]) {
    assert.deepEqual(await all(db), [{ id: 1, x: 3, y: 1 }, { id: 2 }])
    client.close()
  }
})

test('restart() where there is no database', async () => {
  const client = new NifiClient({ database: 'none', stores: ['data'], url: server.url, env: new Browser().env() })
  assert.equal((await client.restart()).message, 'there is no database none')
  client.close()
})

test('a wiped profile with a name of its own and nothing in it gets everything back', async () => {
  const options = { url: server.url, flow: 'named', source: 'kiosk-7' }
  const one = await new Browser().tab(options)
  await put(one, 1)
  await one.client.sync()
  one.client.close()
  const two = await new Browser().tab(options)
  assert.equal((await two.client.sync()).phase, 'idle')
  assert.deepEqual(await all(two.db), [{ id: 1 }])
  two.client.close()
})

test('restart() does not make a life of half a database', async () => {
  const { client } = await new Browser().tab({ url: server.url, flow: 'half' })
  await client.sync()
  await changeState(client.home, (state) => (state.restoring = true))
  const { phase, message } = await client.restart()
  assert.deepEqual([phase, message], ['failed', 'a restore did not end: restore again'])
  client.close()
})

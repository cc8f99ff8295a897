// What was taken and is not acknowledged: what is kept of it, when it is sent again, and who may take.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { META, result, transaction } from '../src/idb.js'
import { Browser, all, write } from './browser.js'
import { Queue } from './queue.js'
import { serve, stored } from './serve.js'

let server
before(async () => (server = await serve()))
after(() => server.stop())

const HOUR = 3600000
const put = ({ db }, id) => write(db, (data) => data.put({ id }))
const kept = async (flow, url = server.url) => (await stored(url, flow)).map(({ key }) => key)
const stands = async ({ client }) => {
  const { phase, pending } = await client.sync()
  return [phase, pending]
}

/** A tab whose time is told, and what takes its batches. */
async function taken(flow, more = {}) {
  const queue = new Queue(server.url, flow)
  const time = { now: 1700000000000 }
  const browser = new Browser()
  const options = { ...queue.options, ...more, env: { ...queue.options.env, now: () => time.now } }
  const open = () => browser.tab(options, more.mode === 'scan' ? (db) => db.createObjectStore('data', { keyPath: 'id' }) : undefined)
  return { queue, time, open, tab: await open() }
}

test('neither many tabs nor many pages make an hour shorter', async () => {
  const { queue, time, open, tab } = await taken('an-hour')
  await put(tab, 'a')
  for (let page = 0; page < 12; page++) {
    const { db, client } = await open()
    for (let count = 0; count < 3; count++) assert.equal((await client.sync()).phase, 'sending')
    client.close()
    db.close()
  }
  assert.equal(queue.taken, 1)
  time.now += HOUR - 1000
  await stands(tab)
  assert.equal(queue.taken, 1)
  time.now += 1000
  for (let count = 0; count < 2; count++) await stands(tab)
  assert.equal(queue.taken, 2)
  // A clock that was ahead is no reason to wait for ever.
  time.now -= 24 * HOUR
  for (let count = 0; count < 20; count++) await stands(tab)
  assert.equal(queue.taken, 3)
  await queue.bring()
  assert.deepEqual([await stands(tab), await kept('an-hour')], [['idle', 0], ['a']])
  tab.client.close()
})

test('the store there is another one: everything is sent to it', async () => {
  const second = await serve()
  const { queue, tab } = await taken('set-back')
  await put(tab, 'a')
  await stands(tab)
  await queue.bring()
  assert.deepEqual(await stands(tab), ['idle', 0])
  const other = new Queue(second.url, 'set-back')
  tab.client.options.sourcesUrl = other.options.sourcesUrl
  queue.flow = other.flow
  await put(tab, 'b')
  const statuses = new Set()
  for (let count = 0; count < 12; count++) {
    await stands(tab)
    for (const status of await queue.bring()) statuses.add(status)
  }
  assert.deepEqual([await stands(tab), await kept('set-back', second.url)], [['idle', 0], ['a', 'b']])
  assert.deepEqual([...statuses], [503, 200])
  tab.client.close()
  await second.stop()
})

test('what was acknowledged is kept nowhere', async () => {
  const { queue, tab } = await taken('kept-nowhere')
  const { client, db } = tab
  await put(tab, 'a')
  await stands(tab)
  assert.equal(client.kept.text, undefined)
  await queue.bring()
  assert.deepEqual([await stands(tab), client.kept], [['idle', 0], undefined])
  for (let round = 0; round < 4; round++) {
    await write(db, (data) => Array.from({ length: 50 }, (_, n) => data.put({ id: `${round}-${n}`, text: 'x'.repeat(200) })))
    await stands(tab)
    await queue.bring()
    assert.deepEqual(await stands(tab), ['idle', 0])
  }
  const state = await transaction(db, META, 'readonly', (tx) => result(tx.objectStore(META).get('state')))
  assert.ok(JSON.stringify(state).length < 1000, `${JSON.stringify(state).length} characters`)
  client.close()
})

test('a scan notes once what was taken', async () => {
  const { queue, tab } = await taken('scan-once', { mode: 'scan' })
  const { client } = tab
  await put(tab, 'a')
  await stands(tab)
  let noted = 0
  const { rememberFull } = client.scanning
  client.scanning = { ...client.scanning, rememberFull: (...given) => (noted++, rememberFull(...given)) }
  for (let count = 0; count < 3; count++) await stands(tab)
  assert.equal(noted, 0)
  await queue.bring()
  assert.deepEqual(await stands(tab), ['idle', 0])
  client.close()
})

/** Two tabs that know each other's records, one of them with a network that answers once with nothing, before or after the commit. */
async function blankOnce(options, commits) {
  let blank = false
  const fetches = async (url, given) => {
    const takes = blank && given.method === 'POST'
    if (takes) blank = false
    if (takes && !commits) return new Response('')
    const response = await fetch(url, { ...given, signal: undefined })
    return takes ? new Response('') : response
  }
  const [one, two] = [await new Browser().tab({ ...options, env: { fetch: fetches } }), await new Browser().tab(options)]
  await put(one, 'a')
  for (const { client } of [one, two]) await client.sync()
  await put(two, 'b')
  await two.client.sync()
  await put(one, 'c')
  blank = true
  return { one, two, close: () => [one, two].forEach(({ client }) => client.close()) }
}

test('an empty answer of serve is none, and the next sync is as ever', async () => {
  for (const commits of [false, true]) {
    const { one, close } = await blankOnce({ url: server.url, flow: `blank-${commits}` }, commits)
    const { phase, message } = await one.client.sync()
    assert.deepEqual([phase, message.slice(0, 10)], ['offline', 'no report:'])
    assert.deepEqual([await stands(one), (await all(one.db)).length], [['idle', 0], 3])
    close()
  }
})

test('an empty answer of a flow that speaks both ways: what others did comes all the same', async () => {
  for (const commits of [false, true]) {
    const flow = `live-${commits}`
    const { flow: root, options } = new Queue(server.url, flow)
    const { one, close } = await blankOnce({ syncUrl: `${root}/sync`, sourcesUrl: options.sourcesUrl }, commits)
    // Committed: it asks, and goes on. Not committed: it posts again.
    assert.equal((await one.client.sync()).phase, commits ? 'idle' : 'sending')
    assert.deepEqual([await stands(one), (await all(one.db)).length], [['idle', 0], 3])
    close()
  }
})

test('who says something else, or without sourcesUrl nothing, has not taken it', async () => {
  const [queue, url] = [{ syncUrl: 'http://queue/batches' }, { url: 'http://queue' }]
  for (const [where, text] of [[queue, ''], [url, ''], [{ ...queue, sourcesUrl: url.url }, '{"ok":true}']]) {
    const { client } = await new Browser().tab({ ...where, env: { fetch: async () => new Response(text) } })
    const { phase, message } = await client.sync()
    assert.match(`${phase}, ${message}`, /^offline, no report: http:\/\/queue/)
    client.close()
  }
})

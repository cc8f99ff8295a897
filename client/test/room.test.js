// No room: what cannot be written down is sent in full, whatever was under way.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { Browser, all, fullDisk, write } from './browser.js'
import { Queue } from './queue.js'
import { serve, stored } from './serve.js'

let server
before(async () => (server = await serve()))
after(() => server.stop())

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const put = ({ db }, id) => write(db, (data) => data.put({ id }))
const kept = async (flow) => (await stored(server.url, flow)).map(({ key }) => key)
const stands = async ({ client }) => {
  const { phase, pending, capturing } = await client.sync()
  return [phase, pending, capturing]
}
const IDLE = ['idle', 0, true]

/** No room from here on, and what is written is not written down. */
async function noRoom(tab, id) {
  tab.client.log.stop(new DOMException('no room', 'QuotaExceededError'), true)
  await put(tab, id)
  await pause(20)
}

/** A network that loses answers while it is told to, and keeps them back. */
function network(state) {
  return async (...request) => {
    const response = await fetch(...request)
    const text = await response.text()
    await state.wait
    if (state.lose) throw new TypeError('the answer was lost')
    return new Response(text, { status: response.status, headers: response.headers })
  }
}

/** Rounds of sync and bringing, until all is said. */
async function rounds(tab, queue) {
  for (let count = 0; count < 12; count++) {
    await tab.client.sync()
    await queue.bring()
  }
}

test('while one operation was taken: everything has another number', async () => {
  const queue = new Queue(server.url, 'taken-one')
  const tab = await new Browser().tab(queue.options)
  await put(tab, 'a')
  await rounds(tab, queue)
  await put(tab, 'b')
  assert.equal((await stands(tab))[0], 'sending')
  await noRoom(tab, 'c')
  await rounds(tab, queue)
  assert.deepEqual([await stands(tab), await kept('taken-one')], [IDLE, ['a', 'b', 'c']])
  tab.client.close()
})

test('after an answer that was lost', async () => {
  const state = {}
  const tab = await new Browser().tab({ url: server.url, flow: 'lost-answer', env: { fetch: network(state) } })
  await put(tab, 'a')
  await tab.client.sync()
  state.lose = true
  await put(tab, 'b')
  await tab.client.sync()
  state.lose = false
  await noRoom(tab, 'c')
  assert.deepEqual([await stands(tab), await kept('lost-answer')], [IDLE, ['a', 'b', 'c']])
  tab.client.close()
})

test('while everything was taken: what was taken is not all any more', async () => {
  const queue = new Queue(server.url, 'taken-all')
  const tab = await new Browser().tab(queue.options)
  await put(tab, 'a')
  assert.equal((await stands(tab))[0], 'sending')
  await put(tab, 'dropped')
  await noRoom(tab, 'not-noted')
  await rounds(tab, queue)
  assert.deepEqual([await stands(tab), await kept('taken-all')], [IDLE, ['a', 'dropped', 'not-noted']])
  tab.client.close()
})

test('while the checkpoint of everything is asked for', async () => {
  const queue = new Queue(server.url, 'asking')
  const tab = await new Browser().tab(queue.options)
  let answer
  const ask = queue.fetch.bind(queue)
  const asked = new Promise((resolve) => {
    queue.fetch = async (url, options) => {
      if (options.method !== 'POST' && !answer) await new Promise((go) => resolve((answer = go)))
      return ask(url, options)
    }
  })
  await put(tab, 'a')
  const first = tab.client.sync()
  await asked
  await noRoom(tab, 'b')
  answer()
  await first
  await rounds(tab, queue)
  assert.deepEqual([await stands(tab), await kept('asking')], [IDLE, ['a', 'b']])
  tab.client.close()
})

test('while everything is on its way, and nothing else waits', async () => {
  const state = {}
  const tab = await new Browser().tab({ url: server.url, flow: 'on-its-way', env: { fetch: network(state) } })
  let go
  state.wait = new Promise((resolve) => (go = resolve))
  const first = tab.client.sync()
  await pause(100)
  await noRoom(tab, 'a')
  go()
  await first
  await tab.client.sync()
  await put(tab, 'b')
  assert.deepEqual([await stands(tab), await kept('on-its-way')], [IDLE, ['a', 'b']])
  tab.client.close()
})

test('while operations are on their way: no other life begins', async () => {
  const state = {}
  const tab = await new Browser().tab({ url: server.url, flow: 'same-life', env: { fetch: network(state) } })
  const { source } = await tab.client.sync()
  for (const id of ['a', 'b', 'c']) await put(tab, id)
  let go
  state.wait = new Promise((resolve) => (go = resolve))
  const first = tab.client.sync()
  await pause(100)
  await noRoom(tab, 'd')
  go()
  await first
  assert.deepEqual([await stands(tab), (await tab.client.status()).source], [IDLE, source])
  assert.deepEqual(await kept('same-life'), ['a', 'b', 'c', 'd'])
  tab.client.close()
})

test('while everything is being written', async () => {
  const tab = await new Browser().tab({ url: server.url, flow: 'writing' })
  await write(tab.db, (data) => data.put({ id: 'a', blob: new Blob(['x']) }))
  const { arrayBuffer } = Blob.prototype
  Blob.prototype.arrayBuffer = async function () {
    await pause(100)
    return arrayBuffer.call(this)
  }
  const first = tab.client.sync()
  await pause(50)
  await noRoom(tab, 'b')
  await first
  Blob.prototype.arrayBuffer = arrayBuffer
  await tab.client.sync()
  assert.deepEqual([await stands(tab), await kept('writing')], [IDLE, ['a', 'b']])
  tab.client.close()
})

test('in a tab that does not send, while another one sends everything', async () => {
  const browser = new Browser()
  const options = { url: server.url, flow: 'other-tab' }
  const [one, two] = [await browser.tab(options), await browser.tab({ ...options, delay: 50 })]
  await put(one, 'a')
  await one.client.sync()
  await noRoom(two, 'b')
  await one.client.sync()
  await put(two, 'c')
  await pause(100)
  // It writes down again by itself.
  assert.equal((await two.client.status()).capturing, true)
  await put(two, 'd')
  assert.deepEqual([await stands(one), await kept('other-tab')], [IDLE, ['a', 'b', 'c', 'd']])
  for (const { client } of [one, two]) client.close()
})

test('and none to note that', async () => {
  const tab = await new Browser().tab({ url: server.url, flow: 'nor-to-note' })
  await put(tab, 'a')
  await tab.client.sync()
  const { app } = tab.client
  const { transaction } = app
  app.transaction = function (scope, mode, ...rest) {
    if (mode === 'readwrite') throw new DOMException('no room', 'QuotaExceededError')
    return transaction.call(this, scope, mode, ...rest)
  }
  await noRoom(tab, 'b')
  const { phase, capturing } = await tab.client.status()
  assert.deepEqual([phase, capturing], ['full', false])
  app.transaction = transaction
  assert.deepEqual([await stands(tab), await kept('nor-to-note')], [IDLE, ['a', 'b']])
  await put(tab, 'c')
  assert.deepEqual([await stands(tab), await kept('nor-to-note')], [IDLE, ['a', 'b', 'c']])
  tab.client.close()
})

test('for an operation, while an answer comes: that is not put over the write', async () => {
  const state = {}
  const options = { url: server.url, flow: 'not-over' }
  const [a, b] = [await new Browser().tab(options), await new Browser().tab({ ...options, env: { fetch: network(state) } })]
  await write(a.db, (data) => data.put({ id: 1, x: 0, y: 0 }))
  for (const { client } of [a, b]) await client.sync()
  await write(a.db, (data) => data.put({ id: 1, x: 1, y: 0 }))
  await a.client.sync()
  let go
  state.wait = new Promise((resolve) => (go = resolve))
  const first = b.client.sync()
  await pause(50)
  await write(b.db, (data, tx) => {
    fullDisk(tx)
    data.put({ id: 1, x: 0, y: 1 })
    go()
  })
  await first
  // It goes on at once.
  await put(b, 2)
  for (const it of [b, a, b]) assert.deepEqual(await stands(it), IDLE)
  for (const { client, db } of [a, b]) {
    assert.deepEqual(await all(db), [{ id: 1, x: 1, y: 1 }, { id: 2 }])
    client.close()
  }
})

test('for many operations of one transaction: that is noted once', async () => {
  const tab = await new Browser().tab({ url: server.url, flow: 'noted-once' })
  await put(tab, 'a')
  await tab.client.sync()
  const { offset } = tab.client.state
  await write(tab.db, (data, tx) => {
    fullDisk(tx)
    for (let id = 0; id < 20; id++) data.put({ id })
  })
  await pause(20)
  assert.deepEqual([await stands(tab), (await kept('noted-once')).length], [IDLE, 21])
  // One number is left out, one is that of everything.
  assert.equal(offset - tab.client.state.offset, 2)
  tab.client.close()
})

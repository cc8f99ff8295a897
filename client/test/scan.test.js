// Capture by scan: what is found by comparing, also when everything has to be sent again.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { Browser, all, write } from './browser.js'
import { serve, stored } from './serve.js'

let server
before(async () => (server = await serve()))
after(() => server.stop())

const plain = (db) => db.createObjectStore('data', { keyPath: 'id' })

for (const count of [1, 30]) {
  test(`what is deleted while a full batch waits is deleted there: ${count}`, async (t) => {
    const options = { url: server.url, flow: `full-${count}`, mode: 'scan' }
    let answer = fetch
    const one = await new Browser().tab({ ...options, env: { fetch: (...request) => answer(...request) } }, plain)
    const two = await new Browser().tab(options, plain)
    t.after(() => [one, two].forEach(({ db, client }) => (client.close(), db.close())))
    const { db, client } = one
    for (const it of [one, two]) await it.client.sync()
    // A full batch says what is gone of the full batch before, not of what came later: own changes, and those of others.
    const ids = Array.from({ length: count }, (_, id) => id)
    await write(two.db, (data) => ids.forEach((id) => data.put({ id })))
    await two.client.sync()
    await write(db, (data) => ['own', 'stays'].forEach((id) => data.put({ id })))
    assert.equal((await client.sync()).phase, 'idle')
    assert.equal((await all(db)).length, count + 2)
    // The sidecar asks for everything, and then the network is gone.
    const down = async () => {
      throw new TypeError('down')
    }
    answer = async () => {
      answer = down
      return new Response('{"outcome":"refused"}', { status: 503 })
    }
    assert.equal((await client.sync()).phase, 'offline')
    await write(db, (data) => ['own', ...ids].forEach((id) => data.delete(id)))
    answer = fetch
    await client.sync()
    let status = await client.sync()
    // Nor is it a way around the question.
    assert.equal(status.held?.reason, count > 10 ? 'scan' : undefined, status.message)
    while (status.held) status = await client.confirm()
    const here = (await all(db)).map(({ id }) => id)
    assert.deepEqual([here, (await stored(server.url, options.flow)).map(({ key }) => key)], [['stays'], ['stays']])
  })
}

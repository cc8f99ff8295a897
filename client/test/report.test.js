// What the lines of a report become: events, conflicts, or nothing.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { changeState } from '../src/home.js'
import { readReport } from '../src/send.js'
import { Browser, all, shop, write } from './browser.js'
import { serve, stored } from './serve.js'

let server
before(async () => (server = await serve()))
after(() => server.stop())

const plain = (db) => db.createObjectStore('data', { keyPath: 'id' })
const put = (db, ...records) => write(db, (data) => records.forEach((record) => data.put(record)))

/** A value with more brackets than a record may have. */
function deep() {
  let value = []
  for (let depth = 0; depth < 600; depth++) value = [value]
  return value
}

/** The details of all events of a client, by type. */
function events(client, ...types) {
  const heard = Object.fromEntries(types.map((type) => [type, []]))
  for (const type of types) client.addEventListener(type, ({ detail }) => heard[type].push(detail))
  return heard
}

test('lines of other types are ignored, and only the summary ends a report', () => {
  const lines = [
    { type: 'header', value: '{}' },
    { type: 'rejected', line: 2, offset: 3, reason: 'syntax', message: 'no', text: '{' },
    { type: 'rejected', line: 3, offset: 9, reason: 'syntax', message: 'no', textBase64: '/w==' },
    { type: 'kept', count: 8, reason: 'store-left-out', store: 'notes' },
    { type: 'loss', place: 'x' },
    { type: 'losses' },
    { type: 'privacy', count: 1 },
    { type: 'something-later', summary: true },
    { no: 'type' },
    null,
    7,
    { type: 'ack', source: 's', epoch: 'e', checkpoint: 2 },
    { type: 'summary', version: 3, state: 'ab', later: 1 },
  ]
  const text = (count) => lines.slice(0, count).map((line) => `${JSON.stringify(line)}\n`).join('')
  const report = readReport(text(lines.length))
  assert.deepEqual(report, {
    changes: [], conflicts: [], resolved: [], reset: false,
    rejected: lines.slice(1, 3), ack: lines.at(-2), summary: lines.at(-1),
  })
  assert.equal(readReport(text(lines.length - 1)), undefined)
  assert.equal(readReport(text(lines.length).slice(0, -2)), undefined)
})

for (const mode of ['oplog', 'scan']) {
  test(`a record that cannot be written stays as it was there, also in a full batch (${mode})`, async () => {
    const flow = `unwritable-${mode}`
    const options = { url: server.url, flow, mode }
    const { client, db } = await new Browser().tab(options, mode === 'scan' ? plain : shop)
    const there = async () => (await stored(server.url, flow)).map(({ value }) => value)
    await put(db, { id: 1, n: 0 }, { id: 2, n: 0 }, { id: 3, n: 0 })
    await client.sync()
    await put(db, { id: 1, n: 1, deep: deep() }, { id: 2, n: 1 })
    assert.equal((await client.sync()).phase, 'idle')
    const expected = [{ id: 1, n: 0 }, { id: 2, n: 1 }, { id: 3, n: 0 }]
    assert.deepEqual(await there(), expected)
    const heard = events(client, 'rejected', 'skipped')
    await changeState(client.home, (state) => (state.full = true))
    const { phase, message, pending } = await client.sync()
    assert.deepEqual([phase, pending], ['idle', 0], message)
    assert.deepEqual(await there(), expected)
    // The sidecar gives back what it got, also members that a later release adds.
    const [{ type, reason, store, text }] = heard.rejected
    assert.deepEqual([type, reason, store], ['rejected', 'missing-member', 'data'])
    assert.match(text, /^\{"op":"put","store":"data","key":1[,}]/)
    assert.equal(heard.rejected.length, 1)
    assert.ok(heard.skipped.some(({ store, key }) => store === 'data' && key === 1))
    // Written as it can be, it is a change like any other.
    await put(db, { id: 1, n: 2 })
    assert.equal((await client.sync()).phase, 'idle')
    assert.deepEqual((await there())[0], { id: 1, n: 2 })
    client.close()
    db.close()
  })
}

test('a numbered batch of which everything is rejected is acknowledged, and does not block the page', async () => {
  const { client, db } = await new Browser().tab({ url: server.url, flow: 'all-rejected' })
  const heard = events(client, 'rejected')
  await put(db, { id: 1, deep: deep() })
  for (let round = 0; round < 2; round++) {
    const { phase, message, pending } = await client.sync()
    assert.deepEqual([phase, pending], ['idle', 0], message)
    // First in the full batch, then as a change.
    await put(db, { id: 1, deep: deep(), round })
  }
  assert.deepEqual(heard.rejected.map(({ reason }) => reason), ['missing-member', 'missing-member'])
  await put(db, { id: 2 })
  assert.equal((await client.sync()).phase, 'idle')
  assert.deepEqual((await stored(server.url, 'all-rejected')).map(({ key }) => key), [2])
  assert.equal((await all(db)).length, 2)
  client.close()
  db.close()
})

// The other end dies again and again while two browsers write: nothing is lost, nothing is done twice, both end alike.
//
// A `serve` is killed here (`kill -9`) and started again on its store. Through NiFi (LIVE_SYNC) somebody else has that part: the
// file `begun` in the folder LIVE_CONTROL tells them to begin, `over` that they have done.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { lab, open, stored } from './harness.mjs'

const FLOW = 'outage'
const { LIVE_SYNC, LIVE_CONTROL } = process.env
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const here = lab()
const { browsers } = here

async function outages() {
  if (LIVE_SYNC) {
    await writeFile(join(LIVE_CONTROL, 'begun'), '')
    while (!existsSync(join(LIVE_CONTROL, 'over'))) await pause(200)
    return
  }
  for (let count = 0; count < 8; count++) {
    await pause(700 + 173 * count)
    await here.server.kill()
    await pause(300)
    await here.server.again()
  }
}

async function until(look, limit = 180000) {
  for (const begun = Date.now(); ; await pause(100)) {
    const found = await look()
    if (found) return
    assert.ok(Date.now() - begun < limit, 'waited in vain')
  }
}

test('outages', { timeout: 1800000 }, async () => {
  const tabs = []
  for (const browser of browsers) {
    const tab = Object.assign(await open(browser, here.site.origin), { name: browser.name })
    await tab.call('openApp', { ...here.server.to(FLOW), database: FLOW, delay: 20, interval: 500, minRetry: 100, maxRetry: 1500 })
    tabs.push(tab)
  }
  await tabs[0].call('act', undefined, 'start', 0)
  for (const { call } of tabs) assert.equal((await call('sync')).phase, 'idle')
  for (const { call, name } of tabs) await call('keepWriting', name, 15)
  await outages()
  await pause(1000)

  const own = {}
  const shared = { id: 'shared', start: 0 }
  for (const { call, name } of tabs) {
    const { n, phases } = await call('stopWriting')
    console.log(`${name}: ${n} times two writes; ${JSON.stringify(phases)}`)
    // An outage is nothing that somebody has to look at.
    assert.deepEqual(Object.keys(phases).filter((phase) => !['idle', 'sending', 'offline'].includes(phase)), [], JSON.stringify(phases))
    assert.ok('offline' in phases, 'it never noticed an outage')
    for (let at = 1; at <= n; at++) Object.assign(own, { [`${name}-${at % 50}`]: at })
    for (let at = 1; at <= n; at++) Object.assign(shared, { [`${name}-${at % 7}`]: at })
  }
  for (let round = 0; round < 2; round++) {
    for (const { call } of tabs) {
      await until(async () => {
        await call('sync')
        const { phase, pending } = await call('status')
        return phase === 'idle' && pending === 0
      })
    }
  }
  const sorted = (records) => Object.fromEntries(records.map((record) => [record.id, record]))
  const kept = sorted((await stored(here.server.url, FLOW)).map(({ value }) => value))
  for (const { call } of tabs) assert.deepEqual(sorted(await call('records')), kept)
  assert.deepEqual(kept.shared, shared)
  delete kept.shared
  assert.deepEqual(Object.fromEntries(Object.entries(kept).map(([id, { n }]) => [id, n])), own)
})

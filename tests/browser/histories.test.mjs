// Two browsers with two tabs each: edits offline, tabs that die in the middle of a send, reloads, lost answers.
// HISTORIES says how many histories (24); LIVE_SYNC and LIVE_STORE send them through NiFi.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { lab, launch, open, stored } from './harness.mjs'

const COUNT = Number(process.env.HISTORIES ?? 24)

const here = lab()
const { browsers } = here

function random(seed) {
  let state = seed * 2654435761
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below)
  }
}

/** A tab, or what stands for it after it died. */
async function tab(browser, flow) {
  const opened = await open(browser, here.site.origin)
  await opened.call('openApp', { ...here.server.to(flow), database: flow, maxBatchOps: 3 })
  return Object.assign(opened, { browser })
}

const call = (tab, name, ...given) => tab.call(name, ...given)

for (let seed = 1; seed <= COUNT; seed++) {
  test(`history ${seed}`, { timeout: 240000 }, async () => {
    const below = random(seed)
    const flow = `history-${seed}`
    const tabs = []
    for (const browser of browsers) for (let count = 0; count < 2; count++) tabs.push(await tab(browser, flow))
    // What everything starts from.
    await call(tabs[0], 'act', undefined, 'start', 0)
    for (const each of tabs) await call(each, 'sync')
    const [own, members] = [new Map(), new Map([['start', 0]])]
    let n = 1
    const edit = async (tab) => {
      const { name } = tab.browser
      const [key, member] = [below(2) && `own-${name}-${below(4)}`, below(2) && `${name}-${below(4)}`]
      const value = n++
      await call(tab, 'act', key || undefined, member || undefined, value)
      if (key) own.set(key, value)
      if (member) members.set(member, value)
    }
    const replace = async (at) => (tabs[at] = await tab(tabs[at].browser, flow))
    for (let step = 0; step < 24; step++) {
      const at = below(tabs.length)
      const each = tabs[at]
      const dice = below(20)
      if (dice < 9) await edit(each)
      else if (dice < 12) await call(each, 'sync')
      else if (dice < 15) {
        // The network: before the commit, after it, or in the middle of the answer.
        await each.page.evaluate((fault) => globalThis.faults.push(fault), ['before', 'after', 'cut'][below(3)])
        await call(each, 'sync')
      } else if (dice < 17) {
        // It dies while its batch is at the sidecar.
        await edit(each)
        await each.page.evaluate(() => {
          globalThis.faults.push('hang')
          globalThis.app.client.sync()
        })
        await new Promise((resolve) => setTimeout(resolve, below(60)))
        await each.page.close()
        await replace(at)
      } else if (dice < 19) {
        await each.page.reload()
        await call(each, 'openApp', { ...here.server.to(flow), database: flow, maxBatchOps: 3 })
      } else {
        const other = tabs[below(tabs.length)]
        await Promise.all([call(each, 'sync'), call(other, 'sync'), edit(each)])
      }
    }
    for (let round = 0; round < 3; round++) {
      for (const each of tabs) {
        await each.page.evaluate(() => (globalThis.faults.length = 0))
        const { phase, message } = await call(each, 'sync')
        assert.equal(phase, 'idle', message)
      }
    }
    const kept = (await stored(here.server.url, flow)).map(({ value }) => value)
    const sorted = (records) => Object.fromEntries(records.map((record) => [record.id, record]))
    for (const each of tabs) {
      assert.deepEqual(sorted(await call(each, 'records')), sorted(kept))
      assert.equal((await call(each, 'sync')).pending, 0)
    }
    const { shared, ...rest } = sorted(kept)
    assert.deepEqual(shared, { id: 'shared', ...Object.fromEntries(members) })
    assert.deepEqual(Object.fromEntries(Object.entries(rest).map(([id, { n }]) => [id, n])), Object.fromEntries(own))
    for (const each of tabs) await each.page.close()
  })
}

for (const name of ['chromium', 'firefox']) {
  test(`${name} is killed in the middle of a send`, { timeout: 120000 }, async () => {
    const flow = `killed-${name}`
    const other = await tab(browsers[name === 'chromium' ? 1 : 0], flow)
    let browser = await launch(name)
    let own = await tab(browser, flow)
    await call(own, 'act', 'first', 'start', 0)
    await call(own, 'sync')
    await call(other, 'sync')
    for (let at = 1; at <= 3; at++) {
      await call(own, 'act', 'first', `mine-${at}`, at)
      await call(other, 'act', undefined, `other-${at}`, at)
      await own.page.evaluate(() => {
        globalThis.faults.push('hang')
        globalThis.app.client.sync()
      })
      await call(other, 'sync')
      await new Promise((resolve) => setTimeout(resolve, 40 * at))
      await browser.kill()
      browser = await launch(name, browser.profile)
      own = await tab(browser, flow)
    }
    for (let round = 0; round < 2; round++) for (const each of [own, other]) assert.equal((await call(each, 'sync')).phase, 'idle')
    const expected = { id: 'shared', start: 0, ...Object.fromEntries([1, 2, 3].flatMap((at) => [[`mine-${at}`, at], [`other-${at}`, at]])) }
    for (const each of [own, other]) assert.deepEqual((await call(each, 'records')).find(({ id }) => id === 'shared'), expected)
    assert.equal((await call(own, 'sync')).pending, 0)
    await browser.quit()
    await other.page.close()
  })
}

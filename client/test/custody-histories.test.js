// Random histories through somebody who takes batches and hands them on later: a queue that drops, repeats, reorders and delays,
// tabs that die, disks that are full, both ways to capture, backup alone or both ways. At the end nothing is lost, nothing comes
// back, and no other life began.
//
// CUSTODY_HISTORIES says how many (60), SEED which comes first; a failure names its seed. TRACE=1 prints what is sent and brought.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { Browser, all, fullDisk, shop, write } from './browser.js'
import { random } from './random.js'
import { serve, stored } from './serve.js'

const COUNT = Number(process.env.CUSTODY_HISTORIES ?? 60)
const SEED = Number(process.env.SEED ?? 1)

let server
before(async () => (server = await serve()))
after(() => server.stop())

const plain = (db) => db.createObjectStore('data', { keyPath: 'id' })
const trace = (...words) => process.env.TRACE && console.log(...words)
const faults = {}
const fault = (name) => (faults[name] = (faults[name] ?? 0) + 1)

class History {
  constructor(seed) {
    this.next = random(seed)
    this.flow = `custody-${seed}`
    this.root = `${server.url}/v1/flows/indexeddb/${this.flow}`
    this.faulty = true
    this.time = 1700000000000
    this.queue = []
    // Both ways: most batches are answered at once.
    this.live = this.next() < 0.35
    // Where the disk may be full nothing is deleted: a deletion that could not be written down may come back.
    this.full = this.next() < 0.5
    this.own = new Map()
    this.members = new Map()
    this.names = 0
  }

  below(count) {
    return Math.floor(this.next() * count)
  }

  chance(part) {
    return this.faulty && this.next() < part
  }

  dies(tab, name) {
    fault(name)
    tab.client.close()
    throw new TypeError(name)
  }

  lost(name) {
    fault(name)
    throw new TypeError(name)
  }

  fetch(tab) {
    return async (url, { method, body, headers }) => {
      if (this.chance(0.1)) this.lost('lost before')
      if (this.chance(0.03)) this.dies(tab, 'died before')
      let answer = new Response('')
      if (method === 'POST' && (!this.live || this.chance(0.3))) {
        trace(tab.browser.name, 'posts', body)
        this.queue.push(body)
      } else {
        const response = await fetch(url, { method, body, headers })
        const text = await response.text()
        trace(tab.browser.name, url, body, response.status, text)
        if (method !== 'POST' || !this.chance(0.1)) answer = new Response(text, { status: response.status })
      }
      if (this.chance(0.06)) this.lost('lost after')
      if (this.chance(0.05)) this.dies(tab, 'died after')
      return answer
    }
  }

  /** Brings some of what was taken, or all. */
  async bring(everything) {
    const some = this.queue.splice(0, everything ? Infinity : this.below(this.queue.length + 1))
    for (const body of some) {
      if (this.chance(0.15)) fault('dropped')
      else if (this.chance(0.12)) fault('later', this.queue.push(body))
      else {
        for (let times = this.chance(0.12) ? 2 : 1; times--; ) {
          const response = await fetch(`${this.root}/sync`, { method: 'POST', body })
          trace('brings', body, response.status, await response.text())
          fault(`status ${response.status}`)
          // NiFi tries a gap again.
          if (response.status === 503 && this.chance(0.5)) this.queue.push(body)
        }
      }
    }
  }

  /** A database that a dying tab stops using after some transactions. */
  factory(indexedDB, tab) {
    const open = (...name) => {
      const request = indexedDB.open(...name)
      request.addEventListener('success', () => {
        const { transaction } = request.result
        request.result.transaction = (...scope) => {
          if (this.faulty && tab.budget-- <= 0) this.lost('died between')
          return transaction.apply(request.result, scope)
        }
      })
      return request
    }
    return { open }
  }

  async tab(browser) {
    const tab = { browser, budget: this.next() < 0.75 ? Infinity : 5 + this.below(40) }
    const options = {
      database: this.flow,
      syncUrl: `${this.root}/sync`,
      sourcesUrl: `${this.root}/sources/{source}`,
      twoWay: this.live,
      mode: browser.mode,
      maxBatchOps: 1 + this.below(6),
      custodyTimeout: this.below(2) * 1000,
      env: { fetch: this.fetch(tab), indexedDB: this.factory(browser.indexedDB, tab), now: () => (this.time += this.below(50)) },
    }
    return Object.assign(tab, await browser.tab(options, browser.mode === 'scan' ? plain : shop))
  }

  /** What an application does in one transaction; now and then there is no room for what is written down. */
  async act({ browser, db, budget }) {
    const full = this.full && browser.mode === 'oplog' && budget === Infinity && this.chance(0.1)
    if (full) fault('no room')
    const kind = this.next()
    const own = `own-${browser.name}-${this.below(4)}`
    const n = this.names++
    // Where operations are dropped, one that was stored and whose answer was lost may win over a later one of the same member.
    const member = `${browser.name}-${this.full ? n : this.below(5)}`
    const aborts = this.next() < 0.1
    const done = write(db, (data, tx) => {
      if (full) fullDisk(tx)
      if (this.live && kind < 0.4) {
        // Read, change, write: members that only this browser changes.
        data.get('shared').onsuccess = ({ target: { result } }) => data.put({ ...result, [member]: n })
      } else if (kind < 0.7 || this.full) data.put({ id: own, n })
      else data.delete(own)
      if (aborts) tx.abort()
    })
    await (aborts ? done.catch(() => {}) : done)
    if (aborts) return
    if (this.live && kind < 0.4) this.members.set(member, n)
    else if (kind < 0.7 || this.full) this.own.set(own, { id: own, n })
    else this.own.delete(own)
  }

  async step(tabs) {
    if (this.next() < 0.2) await this.bring()
    const at = this.below(tabs.length)
    const tab = tabs[at]
    if (tab.client.stopped || (tab.budget <= 0 && this.next() < 0.5)) {
      tab.client.close()
      tab.db.close()
      tabs[at] = await this.tab(tab.browser)
    } else if (this.next() < 0.6) await this.act(tab)
    else if (this.next() < 0.3) {
      // Two tabs at once, and a write in the middle.
      const other = tabs[this.below(tabs.length)]
      const soon = new Promise((resolve) => setTimeout(resolve, this.below(8)))
      await Promise.all([tab.client.sync(), other.client.sync(), soon.then(() => this.act(tab))])
    } else await tab.client.sync()
  }

  /** Without faults, until nobody has anything to say. */
  async settle(tabs) {
    for (let round = 0; round < 60; round++) {
      this.time += 5000
      let quiet = 0
      for (const { client } of tabs) {
        const { phase, pending } = await client.sync()
        if (phase === 'idle' && !pending) quiet++
      }
      const waits = this.queue.length
      await this.bring(true)
      if (quiet === tabs.length && !waits && round > 2) return
    }
    const stands = await Promise.all(tabs.map(async ({ client }) => (({ phase, message, pending }) => [phase, message, pending])(await client.status())))
    assert.fail(`it never ends: ${JSON.stringify(stands)}`)
  }

  async run() {
    const browsers = Array.from({ length: 1 + this.below(2) }, (_, at) => {
      return Object.assign(new Browser(`b${at}`), { mode: this.next() < 0.3 ? 'scan' : 'oplog' })
    })
    const tabs = []
    for (const browser of browsers) for (let count = 0; count < 2; count++) tabs.push(Object.assign(await this.tab(browser), { budget: Infinity }))
    if (this.live || this.next() < 0.5) {
      // The shared record is there before all else; in others the first batch of all is under way from the beginning.
      this.faulty = false
      await write(tabs[0].db, (data) => data.put({ id: 'shared' }))
      await this.settle(tabs)
      this.faulty = true
    }
    const sources = new Map()
    for (const { browser, client } of tabs) sources.set(browser, (await client.status()).source)
    for (let step = 0; step < 80; step++) await this.step(tabs)
    this.faulty = false
    for (const tab of tabs) {
      tab.budget = Infinity
      if (!tab.client.stopped) continue
      tab.db.close()
      Object.assign(tab, await this.tab(tab.browser), { budget: Infinity })
    }
    await this.settle(tabs)
    const sorted = (records) => Object.fromEntries(records.map((record) => [record.id, record]))
    const there = sorted((await stored(server.url, this.flow)).map(({ value }) => value))
    for (const { browser, db, client } of tabs) {
      const { source } = await client.status()
      assert.equal(source, sources.get(browser) ?? source, 'another life began')
      if (this.live) assert.deepEqual(sorted(await all(db)), there)
      client.close()
      db.close()
    }
    const { shared: { id, ...members } = {}, ...own } = there
    assert.deepEqual(members, Object.fromEntries(this.members), 'a member was lost, or came back')
    assert.deepEqual(own, Object.fromEntries([...this.own].sort()), 'a record was lost, or came back')
  }
}

test(`${COUNT} random histories through a queue from seed ${SEED}`, { timeout: 1800000 }, async () => {
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const history = new History(seed)
    try {
      await history.run()
    } catch (error) {
      const { live, full } = history
      error.message = `SEED=${seed} (${JSON.stringify({ live, full })}): ${error.message}`
      throw error
    }
  }
  console.log(JSON.stringify(faults))
})

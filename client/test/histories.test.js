// Random histories: several browsers with several tabs write, sync over a network that fails in every way, and die.
// At the end, with a network that works, nothing is lost, nothing was done twice, and all ends are the same.
//
// HISTORIES says how many (100), SEED which comes first; a failure names its seed. TRACE=1 prints what is sent. LIVE_SYNC and
// LIVE_STORE send it through NiFi.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { changeState } from '../src/home.js'
import { Browser, all, shop, write } from './browser.js'
import { random } from './random.js'
import { otherEnd, stored } from './serve.js'

const COUNT = Number(process.env.HISTORIES ?? 100)
const SEED = Number(process.env.SEED ?? 1)

let server
before(async () => (server = await otherEnd()))
after(() => server.stop())

const plain = (db) => db.createObjectStore('data', { keyPath: 'id' })

class History {
  constructor(seed) {
    this.seed = seed
    this.next = random(seed)
    this.faulty = true
    this.faults = {}
    this.time = 1700000000000
    // What has to be there at the end: own records by key, members of the shared record.
    this.own = new Map()
    this.members = new Map()
    this.names = 0
  }

  below(count) {
    return Math.floor(this.next() * count)
  }

  fault(name) {
    this.faults[name] = (this.faults[name] ?? 0) + 1
  }

  /** A network that loses requests before and after the commit, cuts answers, keeps batches, and outlives tabs. */
  fetch(tab) {
    return async (url, options) => {
      const dice = this.faulty ? this.next() : 1
      if (dice < 0.1) {
        this.fault('before')
        throw new TypeError('lost before')
      }
      if (dice < 0.15) {
        this.fault('death before')
        tab.client.close()
        throw new TypeError('died before')
      }
      // A sidecar that lacks what went before; of one that has it, and whose answer was lost, there is no such word.
      if (dice > 0.9 && dice < 0.94 && !tab.browser.isInDoubt) {
        this.fault('resync')
        return new Response('{"outcome":"refused","type":"summary"}', { status: 503 })
      }
      if (options.body?.includes('"last"')) tab.browser.isInDoubt = true
      const response = await fetch(url, { ...options, keepalive: false, signal: undefined })
      const text = await response.text()
      if (process.env.TRACE) console.log(`${tab.browser.name} ${url}\n${options.body ?? ''}=> ${response.status}\n${text}`)
      const answer = (body) => new Response(body, { status: response.status, headers: response.headers })
      if (dice < 0.25) {
        this.fault('after')
        throw new TypeError('lost after')
      }
      if (dice < 0.3) {
        this.fault('death after')
        tab.client.close()
        throw new TypeError('died after')
      }
      if (dice < 0.36) {
        this.fault('cut')
        return answer(text.slice(0, Math.floor(text.length * this.next())))
      }
      if (dice < 0.4) {
        this.fault('custody')
        return answer('')
      }
      const number = (name, text) => new RegExp(`"${name}":(\\d+)`).exec(text)?.[1]
      // A shorter batch than the one before says nothing of the rest of that.
      const last = number('last', options.body ?? '')
      if (last && last === number('checkpoint', text)) tab.browser.isInDoubt = false
      return answer(text)
    }
  }

  /** A database that a dying tab stops using after some transactions. */
  factory(indexedDB, tab) {
    return {
      open: (...name) => {
        const request = indexedDB.open(...name)
        request.addEventListener('success', () => {
          const db = request.result
          const { transaction } = db
          db.transaction = (...scope) => {
            if (this.faulty && tab.budget-- <= 0) {
              this.fault('death between')
              throw new Error('the tab died')
            }
            return transaction.apply(db, scope)
          }
        })
        return request
      },
      deleteDatabase: (name) => indexedDB.deleteDatabase(name),
    }
  }

  async tab(browser) {
    const tab = { browser, budget: this.next() < 0.7 ? Infinity : this.below(25) }
    const flow = `history-${this.seed}`
    const options = {
      ...server.to(flow),
      database: flow,
      mode: browser.mode,
      maxBatchOps: 1 + this.below(6),
      env: { fetch: this.fetch(tab), indexedDB: this.factory(browser.indexedDB, tab), now: () => (this.time += this.below(50)) },
    }
    return Object.assign(tab, await browser.tab(options, browser.mode === 'scan' ? plain : shop))
  }

  /** What an application does in one transaction. */
  async act({ browser, db }) {
    const kind = this.next()
    const [own, shared] = [`own-${browser.name}-${this.below(4)}`, 'shared']
    const aborts = this.next() < 0.1
    const noted = []
    await write(db, (data, tx) => {
      if (kind < 0.35) {
        const value = { id: own, n: this.names++ }
        data.put(value)
        noted.push(() => this.own.set(own, value))
      } else if (kind < 0.45) {
        data.delete(own)
        noted.push(() => this.own.delete(own))
      } else if (kind < 0.5) {
        data.delete(IDBKeyRange.bound(`own-${browser.name}-1`, `own-${browser.name}-2`))
        noted.push(() => [1, 2].forEach((at) => this.own.delete(`own-${browser.name}-${at}`)))
      } else if (kind < 0.85) {
        // Read, change, write: members that only this browser changes.
        const member = `${browser.name}-${this.below(5)}`
        const value = this.next() < 0.2 ? undefined : this.names++
        data.get(shared).onsuccess = ({ target: { result } }) => {
          const record = { ...(result ?? { id: shared }) }
          if (value === undefined) delete record[member]
          else record[member] = value
          data.put(record)
        }
        noted.push(() => (value === undefined ? this.members.delete(member) : this.members.set(member, value)))
      } else if (kind < 0.95) data.put({ id: `free-${this.below(3)}`, n: this.names++ })
      else data.delete(`free-${this.below(3)}`)
      if (aborts) tx.abort()
    }).then(
      () => noted.forEach((note) => note()),
      (error) => aborts || Promise.reject(error),
    )
  }

  async run() {
    const browsers = Array.from({ length: 2 + this.below(2) }, (_, at) => {
      const browser = new Browser(`b${at}`)
      browser.mode = this.next() < 0.3 ? 'scan' : 'oplog'
      return browser
    })
    const tabs = []
    // The shared record is there before all else: two browsers that both make it have no base to merge on.
    const first = await this.tab(browsers[0])
    await write(first.db, (data) => data.put({ id: 'shared' }))
    this.faulty = false
    first.budget = Infinity
    await first.client.sync()
    for (const browser of browsers) {
      for (let count = 0; count < 2; count++) {
        const tab = await this.tab(browser)
        tab.budget += 25
        await tab.client.sync()
        tabs.push(tab)
      }
    }
    first.client.close()
    first.db.close()
    this.faulty = true
    for (let step = 0; step < 40; step++) {
      const at = this.below(tabs.length)
      const tab = tabs[at]
      if (tab.client.stopped || (tab.budget <= 0 && this.next() < 0.5)) {
        tab.client.close()
        tab.db.close()
        tabs[at] = await this.tab(tab.browser)
      } else if (tab.browser.mode !== 'scan' && this.next() < 0.03 && tab.client.home) {
        // As after an upgrade: everything is sent again.
        this.fault('upgrade')
        await changeState(tab.client.home, (state) => (state.databaseVersion &&= 0.5)).catch(() => {})
      } else if (this.next() < 0.6) await this.act(tab)
      else if (this.next() < 0.3) {
        // Two tabs at once, and a write in the middle.
        const other = tabs[this.below(tabs.length)]
        await Promise.all([tab.client.sync(), other.client.sync(), this.act(tab)])
      } else await tab.client.sync()
    }
    this.faulty = false
    for (const tab of tabs) {
      tab.budget = Infinity
      if (!tab.client.stopped) continue
      tab.db.close()
      Object.assign(tab, await this.tab(tab.browser))
      tab.budget = Infinity
    }
    for (let round = 0; round < 3; round++) {
      for (const { client } of tabs) {
        client.options.maxBatchOps = 500
        const { phase, message, held } = await client.sync()
        assert.equal(phase, 'idle', `${message} ${JSON.stringify(held)}`)
      }
    }
    const server = (await stored(globalThis.url, `history-${this.seed}`)).map(({ value }) => value)
    const sorted = (records) => Object.fromEntries(records.map((record) => [record.id, record]))
    for (const { db, client } of tabs) {
      assert.equal((await client.status()).pending, 0)
      assert.deepEqual(sorted(await all(db)), sorted(server))
    }
    const { shared, ...rest } = sorted(server)
    const { id, ...members } = shared
    assert.equal(id, 'shared')
    assert.deepEqual(members, Object.fromEntries(this.members), 'a member was lost, or came back')
    const own = Object.entries(rest).filter(([id]) => id.startsWith('own'))
    assert.deepEqual(Object.fromEntries(own), Object.fromEntries(this.own), 'a record was lost, or came back')
    for (const { db, client } of tabs) {
      client.close()
      db.close()
    }
  }
}

test(`${COUNT} random histories from seed ${SEED}`, { timeout: 1800000 }, async () => {
  globalThis.url = server.url
  const faults = {}
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const history = new History(seed)
    try {
      await history.run()
    } catch (error) {
      error.message = `SEED=${seed}: ${error.message}`
      throw error
    }
    for (const [name, count] of Object.entries(history.faults)) faults[name] = (faults[name] ?? 0) + count
  }
  console.log(JSON.stringify(faults))
})

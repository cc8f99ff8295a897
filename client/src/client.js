// The client: one object a page. It captures, sends, applies, and says how it stands.

import { readChanges, settle } from './apply.js'
import { deltaBatch, present } from './batch.js'
import { capture } from './capture.js'
import { Clock } from './clock.js'
import { environment } from './env.js'
import { changeState, drop, greatestKey, newLife, readState, rebirth } from './home.js'
import { META, OPS, openExisting, openOwn, result, transaction } from './idb.js'
import { addresses, post, within } from './send.js'

const DEFAULTS = {
  mode: 'oplog',
  twoWay: true,
  delay: 500,
  interval: 30000,
  maxBatchOps: 500,
  maxBatchBytes: 1024 * 1024,
  maxBlobBytes: 8 * 1024 * 1024,
  timeout: 120000,
  minRetry: 1000,
  maxRetry: 300000,
  custodyTimeout: 3600000,
}
const MAX_CONFLICTS = 100
/** Milliseconds that setTimeout takes. */
const MAX_DELAY = 2 ** 31 - 1
/** What was read is not how it stands any more. */
const ANOTHER = { message: 'another tab was here' }

function needsStores(db) {
  if (!db.objectStoreNames.contains(OPS)) throw new Error('call nifiStores(db) in onupgradeneeded, in a new version')
}

/** Backs up and keeps in step one database. Its events: `status`, `applied`, `conflict`, `rejected`, `skipped`, `resolved`. */
export class NifiClient extends EventTarget {
  constructor(options) {
    super()
    const all = { ...DEFAULTS, ...options }
    if (typeof all.database !== 'string') throw new TypeError('database is missing')
    if (!Array.isArray(all.stores) || !all.stores.length) throw new TypeError('stores is missing')
    if (!all.url && !all.syncUrl) throw new TypeError('url is missing')
    this.options = all
    this.env = environment(all.env)
    this.clock = new Clock(this.env.now)
    this.name = `nifi-idb:${all.database}`
    this.phase = 'idle'
    this.retries = 0
    this.started = this.stopped = false
    this.notBefore = 0
    this.captured = new WeakSet()
    this.log = { clock: this.clock, stopped: false, missed: 0, stop: (...why) => this.#stopCapture(...why), written: () => this.wake() }
    const { BroadcastChannel } = this.env
    if (BroadcastChannel) {
      this.channel = new BroadcastChannel(this.name)
      this.channel.onmessage = ({ data }) => this.#heard(data)
      this.channel.unref?.()
    }
  }

  /** Writes down what this connection writes, in the same transactions. Gives the connection back. */
  capture(db) {
    needsStores(db)
    if (this.captured.has(db)) return db
    this.captured.add(db)
    this.captures = true
    return capture(db, this.options.stores, this.log)
  }

  /** A factory whose connections are captured from the start: for libraries that open the database themselves, like Dexie. */
  factory(factory = this.env.indexedDB) {
    const open = (...name) => {
      const request = factory.open(...name)
      request.addEventListener('success', () => request.result.name === this.options.database && this.capture(request.result))
      return request
    }
    const rest = (name) => factory[name]?.bind(factory)
    return { open, cmp: rest('cmp'), databases: rest('databases'), deleteDatabase: rest('deleteDatabase') }
  }

  /** Begins to sync by itself: after writes, every `interval`, when the page is hidden, when the network is back. */
  start() {
    const { document, addEventListener } = this.env
    this.onHidden = () => document.visibilityState === 'hidden' && this.sync({ keepalive: true })
    this.onOnline = () => {
      this.notBefore = 0
      this.wake(0)
    }
    this.started = true
    document?.addEventListener('visibilitychange', this.onHidden)
    ;(addEventListener ?? globalThis.addEventListener)?.('online', this.onOnline)
    this.wake(0)
    return this
  }

  /** Ends: nothing is sent any more; what is pending stays. */
  close() {
    this.stopped = true
    clearTimeout(this.timer)
    this.env.document?.removeEventListener('visibilitychange', this.onHidden)
    globalThis.removeEventListener?.('online', this.onOnline)
    this.channel?.close()
    // What is written from now on is still written down.
    this.channel = undefined
    this.#shut()
  }

  #shut() {
    this.app?.close()
    this.home?.close()
    this.app = this.home = undefined
  }

  /** Syncs soon, here or in another tab. */
  wake(delay = this.options.delay) {
    this.channel?.postMessage({ type: 'wake', at: this.clock.last })
    this.#later(delay)
  }

  #later(delay) {
    const now = performance.now()
    // A write does not cut the wait after a failure short.
    delay = Math.min(Math.max(delay, this.notBefore - now), MAX_DELAY)
    if (!this.started || this.stopped || this.due <= now + delay) return
    clearTimeout(this.timer)
    this.due = now + delay
    this.timer = setTimeout(() => {
      this.due = undefined
      // Nor does a timer that was set before it.
      if (performance.now() < this.notBefore) this.#later(0)
      else this.sync()
    }, delay)
    this.timer.unref?.()
  }

  #heard({ type, at, changes }) {
    this.clock.see(at ?? 0)
    // Whoever is first takes the turn; the others find nothing to do. A tab that dies is no loss.
    if (type === 'wake') this.#later(this.options.delay * (1 + Math.random()))
    if (type === 'applied') this.#emit('applied', { changes, elsewhere: true })
  }

  #emit(type, detail) {
    this.dispatchEvent(Object.assign(new Event(type), { detail }))
  }

  /**
   * Syncs what there is now; one call at a time, in all tabs. Never throws: `status` says how it went. A call while another one is
   * under way gets the one after it.
   */
  async sync(how = {}) {
    if (this.stopped) return this.status()
    if (!this.running) return (this.running = this.#turn(how))
    this.how = { ...this.how, ...how }
    return (this.next ??= this.running.then((status) => {
      const { how } = this
      this.next = this.how = undefined
      return this.phase === 'idle' ? this.sync(how) : status
    }))
  }

  async #turn(how) {
    try {
      await this.env.lock(this.name, () => this.#round(how))
    } catch (error) {
      // Whatever it was, such as a connection that somebody closed: the next try begins anew.
      this.#shut()
      this.#failed('error', error)
    }
    const status = await this.status()
    this.#emit('status', status)
    this.running = undefined
    // After a failure, when that is over.
    const wait = ['idle', 'held'].includes(this.phase) ? this.options.interval : 1
    if (wait) this.#later(wait)
    return status
  }

  /** Lets the deletions or the new history through that were held; `status().held` says which. */
  async confirm() {
    const { held } = this
    // What is under way was begun without it.
    while (this.running) await this.running
    this.confirmed = held
    this.held = undefined
    return this.sync()
  }

  /**
   * Begins a new life of this source: everything is sent again, nothing is deleted there. For when the histories differ
   * (another snapshot store), or deletions that were held should not happen.
   */
  async restart() {
    await this.env.lock(this.name, async () => {
      if (!this.stopped) await this.#open()
      // Half a database is no life. Another store's versions say nothing of this one's.
      if (this.home && !(await this.#known())?.restoring) this.state = await rebirth(this.home, this.#life(this.held?.reason !== 'history'))
    })
    this.held = this.confirmed = undefined
    return this.sync()
  }

  /** How it stands. */
  async status() {
    const { phase, message, held, state } = this
    let pending
    try {
      pending = this.home && (await transaction(this.home, OPS, 'readonly', (tx) => result(tx.objectStore(OPS).count())))
    } catch {
      // Closed for a version change.
    }
    return {
      phase,
      message,
      held,
      pending: pending ?? 0,
      capturing: !this.log.stopped,
      source: state?.source,
      version: state?.version || undefined,
      base: state?.base || undefined,
      conflicts: state?.conflicts ?? [],
    }
  }

  #life(goesOn) {
    return { source: this.options.source, random: this.env.random, goesOn }
  }

  async #open() {
    const { database, mode } = this.options
    const { indexedDB } = this.env
    const closed = () => this.#shut()
    if (!this.app) this.app = await openExisting(indexedDB, database, closed)
    if (mode === 'scan') {
      // A page that writes down what it does needs none of it.
      this.scanning ??= await import('./scan.js')
      this.home ??= await openOwn(indexedDB, this.name, closed)
    } else {
      this.home = this.app
      if (this.app) needsStores(this.app)
    }
    return this.app !== undefined
  }

  /** Everything that there is to do now; holds the lock. */
  async #round({ keepalive }) {
    if (this.stopped) return undefined
    const { mode, twoWay, stores } = this.options
    if (!(await this.#open())) {
      // No database: it was wiped, or is not made yet. What comes next is another life, and deletes nothing.
      if (mode === 'scan' && (await this.#known())) await rebirth(this.home, this.#life())
      return this.#stand('idle', `there is no database ${this.options.database}`)
    }
    // Neither is wrong as such: an older page, or one that only sends.
    const absent = stores.filter((name) => !this.app.objectStoreNames.contains(name))
    let doubt = mode === 'scan' || this.captures ? undefined : 'capture(db) was not called'
    if (absent.length) doubt = `there is no object store ${absent}`
    if (absent.length === stores.length) return this.#stand('idle', doubt)
    if (this.log.stopped) await this.#sendAll(true)
    this.state = await readState(this.home, () => newLife(this.#life()))
    this.clock.see(this.state.clock)
    // What an upgrade wrote was not captured.
    let upgraded = mode !== 'scan' && this.app.version > this.state.databaseVersion && this.state.databaseVersion
    // Nor what was written to an object store before it was listed.
    if (await this.#join(present(this.app, stores))) upgraded ||= mode !== 'scan'
    let fromStart = false
    // At the beginning of a life there is nothing to compare with.
    if (mode === 'scan' && !(this.state.full && this.state.fresh)) {
      const confirmed = this.confirmed?.reason === 'scan'
      const { held } = await this.scanning.scan(this.app, this.home, this.options, this.clock, { confirmed, failed: this.#skip })
      this.held = held.length ? { reason: 'scan', stores: held } : undefined
      if (confirmed) this.confirmed = undefined
      this.state = await this.#known()
    }
    this.#stand('sending')
    let { maxBatchOps } = this.options
    // A page that never stops writing gets its turns too: what comes meanwhile is for the next one.
    let goal = await this.#greatest()
    for (let asked = false; !this.stopped; ) {
      const options = { ...this.options, maxBatchOps, fromStart, digest: this.scanning?.digest }
      const build = this.state.full ? (await import('./full.js')).fullBatch : deltaBatch
      const batch = await build(this.app, this.home, this.state, options, this.#skip, this)
      if (!batch) return this.#failed('offline', ANOTHER)
      if (!fromStart && !batch.full && (batch.count ? asked && batch.last - batch.count >= goal : asked || !twoWay)) {
        if (!upgraded) {
          // What others wrote to it came while it was not listed, and was passed over.
          fromStart = twoWay && this.state.joining !== undefined
          if (fromStart) continue
          await this.#change((state) => delete state.joining)
          break
        }
        // All of it goes after what waits: whether that is in already, only its own numbers tell.
        upgraded = false
        await this.#change((state) => Object.assign(state, { full: true, databaseVersion: this.app.version }))
        continue
      }
      const answer = await this.#post(batch, keepalive)
      if (this.stopped) return undefined
      if (!this.app) return this.#failed('offline', { message: 'the connection was closed, for a new version of the database' })
      if (answer.smaller && batch.count > 1 && !batch.full) maxBatchOps = Math.ceil(batch.count / 2)
      else if (answer.kind === 'resync') await this.#change((state) => (state.full = true))
      else if (answer.kind === 'held') {
        this.held = { reason: answer.plan ? 'guard' : 'history', plan: answer.plan, message: answer.message }
        return this.#stand('held', answer.message)
      } else if (answer.kind !== 'report') return this.#failed(answer.kind, answer)
      else {
        this.retries = this.notBefore = 0
        // It was taken: somebody said so, perhaps in another tab.
        if (this.held?.reason !== 'scan') this.held = undefined
        if (!(await this.#settle(batch, answer.report))) return this.#failed('offline', ANOTHER)
        if (fromStart && !answer.report.custody) {
          fromStart = false
          await this.#change((state) => delete state.joining)
        }
        // An acknowledgement alone does not say what others did.
        asked ||= !twoWay || !answer.report.custody
        // Deletions follow a full batch.
        if (batch.full) goal = await this.#greatest()
      }
    }
    return this.#stand(this.held ? 'held' : 'idle', doubt)
  }

  /**
   * Notes the object stores that this page has now. True if one came to them: it is sent whole, and read from the beginning, for
   * changes of others that came meanwhile were passed over.
   */
  async #join(stores) {
    const { stores: before, joining: waiting = [] } = this.state
    const joined = before ? stores.filter((name) => !before.includes(name)) : []
    if (before?.length === stores.length && !joined.length) return false
    const joining = [...new Set([...waiting, ...joined])]
    await this.#change((state) => Object.assign(state, { stores }, joining.length && { joining }))
    return joined.length > 0
  }

  async #known() {
    return transaction(this.home, META, 'readonly', (tx) => result(tx.objectStore(META).get('state')))
  }

  async #change(change) {
    this.state = (await changeState(this.home, change)) ?? this.state
  }

  async #post(batch, keepalive) {
    const { twoWay, timeout, source, sourcesUrl, headers: given } = this.options
    const { sync, sources } = addresses(this.options, this.state.source)
    let headers
    try {
      headers = await within(timeout, typeof given === 'function' ? given() : given)
    } catch (error) {
      return { kind: 'offline', message: `headers: ${error}` }
    }
    const confirm = this.confirmed?.plan
    const numbered = batch.full || batch.count > 0
    // Only a source whose name lives on has another epoch behind it.
    const fresh = this.state.fresh && source !== undefined && numbered
    const { fetch } = this.env
    // What somebody has taken is asked about, not sent again, unless more than an acknowledgement is wanted.
    if (twoWay || !numbered || this.state.taken?.last !== batch.last) {
      const answer = await post(fetch, sync, batch.text, { headers, pull: twoWay, confirm, fresh, keepalive, timeout })
      if (confirm && answer.kind !== 'offline') this.confirmed = undefined
      if (answer.kind !== 'sending') return answer
      // `serve` answers for itself.
      if (!sourcesUrl || !numbered) return { ...answer, kind: 'offline' }
    }
    return (await import('./custody.js')).ask(this, () => fetch(sources, { headers }), batch)
  }

  /** Takes an answer in; false if it was for another life of this source. */
  async #settle(batch, report) {
    const { options, app, home } = this
    const numbered = batch.full || batch.count > 0
    const { ack } = report
    report.pull = options.twoWay
    if (ack && ack.epoch === batch.epoch && ack.checkpoint > (batch.full ? batch.last : await this.#greatest())) {
      // Somebody else goes on under our name: a profile that was copied, or set back. Nothing of ours was taken.
      const state = await rebirth(home, this.#life(true), this.state)
      if (state) this.state = state
      return state !== undefined
    }
    if (numbered && ack?.epoch !== batch.epoch) return false
    const stores = present(app, options.stores)
    // A decision is told again until a change is sent that has seen it.
    const { base } = this.state
    report.resolved = report.resolved.filter(({ line }) => line === null || line.rev > base)
    const decided = report.resolved.map(({ line }) => line).filter((line) => line !== null)
    const read = await readChanges([...report.changes, ...decided], options.stores, stores)
    for (const { at } of read.changes) this.clock.see(at ?? 0)
    const here = { ...options, stores, log: this.log }
    const done =
      app === home
        ? await settle(app, this.state, batch, report, here, read)
        : await this.scanning.settleScan(app, home, this.state, batch, report, here, read)
    if (!done) return false
    this.state = done.state
    this.kept = undefined
    await this.#remember(report)
    const changes = done.applied.map(({ store, key, gone }) => ({ store, key, op: gone ? 'delete' : 'put' }))
    if (changes.length) {
      this.#emit('applied', { changes, elsewhere: false })
      this.channel?.postMessage({ type: 'applied', changes, at: this.clock.last })
    }
    for (const it of report.rejected) this.#emit('rejected', it)
    for (const { store, key, error } of done.skipped) this.#emit('skipped', { store, key, error })
    return true
  }

  /** The greatest number that this life can have sent; an earlier batch may have been longer than this one. */
  async #greatest() {
    const { offset, lastKey } = this.state
    return (await transaction(this.home, OPS, 'readonly', (tx) => greatestKey(tx, lastKey))) - offset
  }

  /** Keeps the conflicts that wait for a person, for whoever shows them. */
  async #remember({ conflicts, resolved }) {
    const same = (a, b) => JSON.stringify([a.store, a.key]) === JSON.stringify([b.store, b.key])
    for (const it of conflicts) this.#emit('conflict', it)
    for (const it of resolved) this.#emit('resolved', it)
    const parked = conflicts.filter(({ winner }) => winner === 'none')
    const clock = this.clock.last
    // The name of a conflict begins with the version, the object store, the key.
    const over = (it) => resolved.some(({ id: [, store, key] }) => same({ store, key }, it))
    // A conflict is told again whenever the same is sent again.
    const again = (it) => parked.some((now) => same(now, it) && now.kind === it.kind)
    if (!parked.length && !resolved.length && clock === this.state.clock) return
    await this.#change((state) => {
      state.clock = clock
      state.conflicts = [...state.conflicts.filter((it) => !over(it) && !again(it)), ...parked].slice(-MAX_CONFLICTS)
    })
  }

  #skip = ({ store, key }, error) => this.#emit('skipped', { store, key, error })

  #stand(phase, message) {
    Object.assign(this, { phase, message })
    this.#emit('phase', { phase, message })
  }

  /** Tries again later, the longer the more often it failed, each tab at another time. */
  #failed(kind, { message, soon }) {
    const { minRetry, maxRetry } = this.options
    this.#stand(kind === 'error' ? 'failed' : kind, message)
    const wait = kind === 'failed' && !soon ? maxRetry : Math.min(maxRetry, minRetry * 2 ** this.retries++)
    this.notBefore = performance.now() + wait * (0.5 + Math.random() / 2)
  }

  /** No room: what was written down goes, and once there is room everything is sent instead. */
  #stopCapture(error, aborted) {
    this.log.missed++
    // Whatever fails now comes before what is noted.
    if (this.log.stopped || this.noting) return
    this.log.stopped = this.noting = true
    this.#stand('full', `${error}`)
    const note = async (resume) => {
      if (!this.log.stopped) return
      try {
        // At once, where it can be: an answer that comes must not be put over what was not written down.
        if (!this.app && !(await this.#open())) return
        await this.#sendAll(resume)
        this.wake()
      } catch (error) {
        this.#failed('full', error)
      } finally {
        this.noting = false
      }
      if (this.stopped) this.#shut()
      // A transaction that had no room is tried again at once, and needs less while nothing is written down.
      setTimeout(note, Math.min(this.options.delay, MAX_DELAY), true).unref?.()
    }
    note(!aborted)
  }

  /**
   * Notes that everything has to be sent, and drops what waits. With `resume`, what begins from now on is written down again:
   * what began before is over before a full batch can read.
   */
  async #sendAll(resume) {
    this.log.stopped = !resume
    try {
      await transaction(this.home, [OPS, META], 'readwrite', async (tx) => {
        const meta = tx.objectStore(META)
        const state = (await result(meta.get('state'))) ?? newLife(this.#life())
        // A number is left out: what is under way, whatever it is, does not acknowledge this.
        meta.put({ ...state, ...(await drop(tx, state)), full: true, offset: state.offset - 1, taken: undefined }, 'state')
      })
    } catch (error) {
      this.log.stopped = true
      throw error
    }
  }
}

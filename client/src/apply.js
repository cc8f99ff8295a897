// What an answer changes here: acknowledged operations go, what others changed comes, in one transaction.

import { digest, generated } from './batch.js'
import { decodeJson } from './decode.js'
import { encode, encodeKey, encodeNow } from './encode.js'
import { recordName } from './home.js'
import { BY_RECORD, META, OPS, SEEN, eachRecord, result, transaction } from './idb.js'

/**
 * Reads the lines of a report into what can be stored: `{ store, key, name, gone, value, rev, at }`. `absent` is the first
 * version with something for an object store that an older page has not got yet.
 */
export function readChanges(lines, wanted, present) {
  const changes = []
  let absent = Infinity
  for (const line of lines) {
    const store = decodeJson(line.store)
    if (!wanted.includes(store)) continue
    if (!present.includes(store)) {
      absent = Math.min(absent, line.rev)
      continue
    }
    const change = { store, key: decodeJson(line.key), gone: line.op === 'delete', rev: line.rev, at: line.at }
    change.name = recordName(store, encodeKey(change.key))
    try {
      if (!change.gone) change.value = decodeJson(line.value)
    } catch (error) {
      change.error = error
    }
    changes.push(change)
  }
  return { changes, absent }
}

/** Whether operations on a record wait; inside a transaction. */
const isPending = async (ops, { store, key }) => (await result(ops.index(BY_RECORD).getKey([store, key]))) !== undefined

/**
 * Takes acknowledged operations away. What is made on top of one that goes names its value as its base, for the sidecar
 * may have merged it meanwhile.
 */
async function acknowledge(tx, state, batch, { ack, custody }) {
  const ops = tx.objectStore(OPS)
  state.generators = generated(batch.ops, state.generators)
  if (batch.full) {
    // A full batch says nothing of what was deleted since the last one: those deletions are sent after it.
    const range = IDBKeyRange.upperBound(batch.upTo)
    const last = new Map()
    for (const op of await result(ops.getAll(range))) last.set(recordName(op.store, encodeKey(op.key)), op)
    ops.delete(range)
    const deletions = [...last.values()].filter((op) => op.gone)
    await baseOnFull(ops, batch)
    await Promise.all(deletions.map(async (op) => (await isPending(ops, op)) || ops.add(op)))
    Object.assign(state, { full: false, lastKey: batch.upTo, fresh: false })
    // Those that came while the batch was under way follow it: its number is the one before theirs.
    state.offset = batch.upTo - ack.checkpoint
    state.databaseVersion = batch.databaseVersion
    return
  }
  const upTo = Math.min(ack.checkpoint + state.offset, state.lastKey + batch.count)
  if (upTo <= state.lastKey) return
  ops.delete(IDBKeyRange.bound(state.lastKey, upTo, true))
  const done = new Map()
  batch.ops.slice(0, upTo - state.lastKey).forEach((op) => {
    done.set(recordName(op.store, encodeKey(op.key)), op)
  })
  Object.assign(state, { lastKey: upTo, fresh: false })
  await Promise.all(
    [...done].map(async ([name, op]) => {
      delete state.stale[name]
      delete state.ahead[name]
      const cursor = await result(ops.index(BY_RECORD).openCursor([op.store, op.key]))
      const value = batch.values.get(name)
      // Nobody said what became of it.
      if (custody && value !== undefined) state.stale[name] = value
      if (cursor && value !== undefined) cursor.update({ ...cursor.value, base: value })
    }),
  )
}

/** What was written while a full batch was under way is made on top of what that holds. */
async function baseOnFull(ops, { records, upTo }) {
  const range = IDBKeyRange.lowerBound(upTo, true)
  const [keys, later] = await Promise.all([result(ops.getAllKeys(range)), result(ops.getAll(range))])
  if (!keys.length) return
  const texts = new Map(records.map(({ store, key, text }) => [recordName(store, encodeKey(key)), text]))
  const first = new Set()
  later.forEach((op, at) => {
    const name = recordName(op.store, encodeKey(op.key))
    const known = first.has(name) || texts.get(name) === null
    if (!known) ops.put({ ...op, base: texts.get(name) ?? null }, keys[at])
    first.add(name)
  })
}

/** Deletes what the sidecar does not have any more, after a `reset`. */
async function forget(tx, state, changes, applied) {
  const there = new Set(changes.map(({ name }) => name))
  const ops = tx.objectStore(OPS)
  for (const store of new Set(tx.nifiStores)) {
    const target = tx.objectStore(store)
    const keys = await result(target.getAllKeys())
    for (const key of keys) {
      const change = { store, key, name: recordName(store, encodeKey(key)), gone: true }
      if (there.has(change.name) || (await isPending(ops, change))) continue
      target.delete(key)
      applied.push(change)
    }
  }
}

const plain = { stacks: false }

/** Stores one change, if it is one; false if the object store refuses it, for a unique index. */
async function store(tx, { store, key, value, gone }) {
  const target = tx.objectStore(store)
  const current = await result(target.get(key))
  // Firefox would give an equal error the stack of this place.
  const text = gone || current === undefined ? undefined : encodeNow(current, plain)
  if (text !== undefined && text === encodeNow(value, plain)) return true
  const request = gone ? target.delete(key) : target.keyPath === null ? target.put(value, key) : target.put(value)
  return new Promise((resolve) => {
    request.onsuccess = () => resolve(true)
    request.onerror = (event) => {
      event.preventDefault()
      event.stopPropagation()
      resolve(false)
    }
  })
}

/** Sets the base: up to where everything was applied. What waits is asked for again. */
function advance(state, report, deferred, isPull, changes) {
  const touched = new Set(changes.map(({ name }) => name))
  const { version } = report.summary
  state.version = version ?? state.version
  if (!isPull || version == null) return
  // Of what was only acknowledged until now, this report would have said if it did not stand.
  for (const name in state.stale) if (typeof state.stale[name] === 'string' && !touched.has(name)) delete state.stale[name]
  const upTo = deferred === Infinity ? version : deferred - 1
  if (upTo > state.base) state.base = upTo
  for (const name in state.ahead) if (state.ahead[name] <= state.base) delete state.ahead[name]
}

/** What was applied is a record's base, also before everything up to it is. */
function markApplied(state, { name, rev }) {
  delete state.stale[name]
  if (rev < Infinity) state.ahead[name] = rev
}

/** Notes that a record here is not what is stored, so that a change of it does not claim to have seen that. */
function markStale(state, { name }) {
  state.stale[name] ??= state.ahead[name] ?? (state.base || null)
}

/** In oplog mode: one transaction over the data and the client's stores. */
export function settle(db, state, batch, report, { stores, twoWay }, { changes, absent }) {
  const scope = [...stores, OPS, META, SEEN]
  const applied = []
  const skipped = []
  return transaction(db, scope, 'readwrite', async (tx) => {
    tx.nifiStores = stores
    const meta = tx.objectStore(META)
    const now = await result(meta.get('state'))
    // Another life began meanwhile, or another tab was here: this answer is not for us.
    if (!now || now.epoch !== batch.epoch || now.offset !== state.offset || now.lastKey !== state.lastKey) return undefined
    if (report.ack) await acknowledge(tx, now, batch, report)
    const ops = tx.objectStore(OPS)
    let deferred = absent
    if (report.reset) await forget(tx, now, changes, applied)
    await Promise.all(
      changes.map(async (change) => {
        if (await isPending(ops, change)) {
          // What waits was made without it, and without what came between.
          markStale(now, change)
          deferred = Math.min(deferred, change.rev)
        } else if (change.error || !(await store(tx, change))) {
          markStale(now, change)
          skipped.push(change)
        } else {
          markApplied(now, change)
          applied.push(change)
        }
      }),
    )
    advance(now, report, deferred, twoWay, changes)
    meta.put(now, 'state')
    return { state: now, applied, skipped }
  })
}

/** The digest of what is stored now; `null` if nothing is. */
const found = async (value, options) => (value === undefined ? null : digest(await encode(value, options)))

/**
 * In scan mode the data and the client's stores are two databases: what will be written is noted before it is, so that
 * the next scan does not take it for the user's change if we end in between.
 */
export async function settleScan(app, home, state, batch, report, options, { changes, absent }) {
  const { stores, twoWay } = options
  const applied = []
  const skipped = []
  let deferred = absent
  if (report.reset) {
    const there = new Set(changes.map(({ name }) => name))
    await transaction(app, stores, 'readonly', async (tx) => {
      for (const store of stores) {
        await eachRecord(tx.objectStore(store), (key) => {
          const name = recordName(store, encodeKey(key))
          if (!there.has(name)) changes.push({ store, key, name, gone: true, rev: Infinity })
        })
      }
    })
  }
  const late = []
  const defer = (change) => {
    late.push(change)
    deferred = Math.min(deferred, change.rev)
  }
  const wanted = []
  for (const change of changes) {
    if (change.error) skipped.push(change)
    else wanted.push({ ...change, next: change.gone ? null : digest(await encode(change.value, options)) })
  }
  // What the scan knows, and whether something waits that this answer does not acknowledge.
  const acked = report.ack && !batch.full ? Math.min(report.ack.checkpoint + state.offset, state.lastKey + batch.count) : 0
  const ready = []
  await transaction(home, [OPS, SEEN], 'readwrite', async (tx) => {
    const [ops, seen] = [tx.objectStore(OPS), tx.objectStore(SEEN)]
    await Promise.all(
      wanted.map(async (change) => {
        const keys = await result(ops.index(BY_RECORD).getAllKeys([change.store, change.key]))
        if (keys.some((key) => key > Math.max(acked, batch.full ? batch.upTo : 0))) return defer(change)
        change.known = (await result(seen.get([change.store, change.key]))) ?? {}
        if (batch.full) change.known = { hash: batch.digests.get(change.name) ?? null }
        const { rev } = change
        seen.put({ hash: change.known.hash ?? null, next: change.next, rev: rev < Infinity ? rev : 0 }, [change.store, change.key])
        ready.push(change)
      }),
    )
  })
  // Digests that need a Blob's bytes are made before the transaction.
  const before = await transaction(app, stores, 'readonly', (tx) =>
    Promise.all(ready.map(({ store, key }) => result(tx.objectStore(store).get(key)))),
  )
  const digests = await Promise.all(before.map((value) => found(value, options)))
  await transaction(app, stores, 'readwrite', (tx) =>
    Promise.all(
      ready.map(async (change, at) => {
        const value = await result(tx.objectStore(change.store).get(change.key))
        const text = value === undefined ? null : encodeNow(value, options)
        const current = text === undefined ? digests[at] : text === null ? null : digest(text)
        if (current !== (change.known.hash ?? null) && current !== change.next) return defer(change)
        if (current === change.next || (await store(tx, change))) applied.push(change)
        else skipped.push(change)
      }),
    ),
  )
  return transaction(home, [OPS, META, SEEN], 'readwrite', async (tx) => {
    const [meta, seen] = [tx.objectStore(META), tx.objectStore(SEEN)]
    const now = await result(meta.get('state'))
    if (!now || now.epoch !== batch.epoch || now.offset !== state.offset || now.lastKey !== state.lastKey) return undefined
    if (report.ack) await acknowledge(tx, now, batch, report)
    if (report.ack && batch.full) {
      seen.clear()
      for (const { store, key, hash } of batch.records) if (hash) seen.put({ hash }, [store, key])
    }
    for (const change of [...skipped, ...late]) {
      markStale(now, change)
      if (!change.known) continue
      if (change.known.hash) seen.put({ hash: change.known.hash }, [change.store, change.key])
      else seen.delete([change.store, change.key])
    }
    for (const change of applied) {
      const { store, key, next } = change
      markApplied(now, change)
      if (next === null) seen.delete([store, key])
      else seen.put({ hash: next }, [store, key])
    }
    advance(now, report, deferred, twoWay, changes)
    meta.put(now, 'state')
    return { state: now, applied, skipped }
  })
}

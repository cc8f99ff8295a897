// What an answer changes here: acknowledged operations go, what others changed comes, in one transaction.

import { generated } from './batch.js'
import { encodeKey, encodeNow } from './encode.js'
import { isSame, recordName } from './home.js'
import { BY_RECORD, META, OPS, result, transaction } from './idb.js'

/**
 * Reads the lines of a report into what can be stored: `{ store, key, name, gone, value, rev, at }`. `absent` is the first
 * version with something for an object store that an older page has not got yet.
 */
export async function readChanges(lines, wanted, present) {
  const changes = []
  let absent = Infinity
  if (!lines.length) return { changes, absent }
  // A page to which nothing comes needs none of it.
  const { decodeJson } = await import('./decode.js')
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
export const isPending = async (ops, { store, key }) => (await result(ops.index(BY_RECORD).getKey([store, key]))) !== undefined

/**
 * Takes acknowledged operations away. What is made on top of one that goes names its value as its base, for the sidecar
 * may have merged it meanwhile. Gives the records on which nothing waits any more.
 */
export async function acknowledge(tx, state, batch, { ack, custody, pull }) {
  const ops = tx.objectStore(OPS)
  state.generators = generated(batch.ops, state.generators)
  const free = []
  if (batch.full) {
    await batch.acknowledge(ops, state, batch, ack)
    return free
  }
  const upTo = Math.min(ack.checkpoint + state.offset, state.lastKey + batch.count)
  if (upTo <= state.lastKey) return free
  ops.delete(IDBKeyRange.bound(state.lastKey, upTo, true))
  const done = new Map(batch.ops.slice(0, upTo - state.lastKey).map((op) => [recordName(op.store, encodeKey(op.key)), op]))
  Object.assign(state, { lastKey: upTo, fresh: false })
  await Promise.all(
    [...done].map(async ([name, op]) => {
      delete state.stale[name]
      delete state.ahead[name]
      const cursor = await result(ops.index(BY_RECORD).openCursor([op.store, op.key]))
      const value = batch.values.get(name)
      // Until somebody says that it stands, or what became of it.
      if (pull && value !== undefined) state.stale[name] = value
      if (!cursor) custody || free.push(name)
      else if (value !== undefined && cursor.value.base === undefined) cursor.update({ ...cursor.value, base: value })
    }),
  )
  return free
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
export async function store(tx, { store, key, value, gone }) {
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
export function advance(state, report, deferred, isPull, changes, free = []) {
  const touched = new Set(changes.map(({ name }) => name))
  const { version, state: id } = report.summary
  state.version = version ?? state.version
  if (!isPull || report.custody || version == null) return
  // Of what was only acknowledged until now, this report would have said if it did not stand.
  for (const name in state.stale) if (typeof state.stale[name] === 'string' && !touched.has(name)) delete state.stale[name]
  // What was acknowledged and not spoken of is what stands.
  for (const name of free) {
    if (touched.has(name)) continue
    delete state.stale[name]
    state.ahead[name] = version
  }
  const upTo = deferred === Infinity ? version : deferred - 1
  if (upTo > state.base) Object.assign(state, { base: upTo, basis: 0 })
  // The state of a version in between is not known: its number alone is sent.
  if (id && state.base === version) state.named = { version, state: id }
  for (const name in state.ahead) if (state.ahead[name] <= state.base) delete state.ahead[name]
}

/** What was applied is a record's base, also before everything up to it is. */
export function markApplied(state, { name, rev }) {
  delete state.stale[name]
  if (rev < Infinity) state.ahead[name] = rev
}

/** Notes that a record here is not what is stored, so that a change of it does not claim to have seen that. */
export function markStale(state, { name }) {
  state.stale[name] ??= state.ahead[name] ?? (state.base || state.basis || null)
}

/** In oplog mode: one transaction over the data and the client's stores. */
export function settle(db, state, batch, report, { stores, twoWay, log }, { changes, absent }) {
  const { missed } = log
  const scope = [...stores, OPS, META]
  const applied = []
  const skipped = []
  return transaction(db, scope, 'readwrite', async (tx) => {
    tx.nifiStores = stores
    const meta = tx.objectStore(META)
    const now = await result(meta.get('state'))
    // Another life began meanwhile, or another tab was here: this answer is not for us. Nor if something was not written down.
    if (!isSame(now, state) || log.stopped || log.missed !== missed) return undefined
    const free = report.ack && (await acknowledge(tx, now, batch, report))
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
    advance(now, report, deferred, twoWay, changes, free)
    meta.put(now, 'state')
    return { state: now, applied, skipped }
  })
}

// What an answer changes here in scan mode, where the data and the client's stores are two databases.

import { acknowledge, advance, markApplied, markStale, store } from './apply.js'
import { digest } from './digest.js'
import { encode, encodeKey, encodeNow } from './encode.js'
import { recordName } from './home.js'
import { BY_RECORD, META, OPS, SEEN, eachRecord, result, transaction } from './idb.js'

/** The digest of what is stored now; `null` if nothing is. */
const found = async (value, options) => (value === undefined ? null : digest(await encode(value, options)))

const isPlain = (value) => Object.prototype.toString.call(value) === '[object Object]'

/** By which members a value that is made on top of the new one, not of the old one, is known: their texts, or null. */
function marksOf(old, value) {
  const marks = {}
  if (!isPlain(old) || !isPlain(value)) return marks
  for (const name of new Set([...Object.keys(old), ...Object.keys(value)])) {
    const [from, to] = [memberText(old, name), memberText(value, name)]
    if (from !== to) marks[name] = to
  }
  return marks
}

const memberText = (object, name) => (Object.hasOwn(object, name) ? encodeNow(object[name]) : null)

/** Whether most of the marks are in a value. */
export function hasMarks(value, marks = {}) {
  const names = Object.keys(marks)
  return isPlain(value) && names.filter((name) => memberText(value, name) === marks[name]).length * 2 > names.length
}

/** What a full batch holds is what the next scan compares with. Does nothing for one that is known by its number alone. */
export function rememberFull(seen, { records }) {
  if (!records) return
  for (const { store, key, hash } of records) if (hash) seen.put({ hash }, [store, key])
}

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
  // Digests that need a Blob's bytes are made before the transaction.
  const before = await transaction(app, stores, 'readonly', (tx) =>
    Promise.all(wanted.map(({ store, key }) => result(tx.objectStore(store).get(key)))),
  )
  for (const [at, change] of wanted.entries()) {
    change.before = await found(before[at], options)
    change.marks = marksOf(before[at], change.value)
  }
  await transaction(home, [OPS, SEEN], 'readwrite', async (tx) => {
    const [ops, seen] = [tx.objectStore(OPS), tx.objectStore(SEEN)]
    await Promise.all(
      wanted.map(async (change) => {
        const { store, key, next, rev, marks } = change
        const keys = await result(ops.index(BY_RECORD).getAllKeys([store, key]))
        if (keys.some((key) => key > Math.max(acked, batch.full ? batch.upTo : 0))) return defer(change)
        // A full batch says nothing of what is gone: that is still to be sent.
        if (batch.full && keys.length && (await result(ops.get(keys.at(-1)))).gone) return defer(change)
        change.known = (await result(seen.get([store, key]))) ?? {}
        if (batch.full) change.known = { hash: batch.digests.get(change.name) ?? null }
        seen.put({ hash: change.known.hash ?? null, next, rev: rev < Infinity ? rev : 0, marks }, [store, key])
        ready.push(change)
      }),
    )
  })
  await transaction(app, stores, 'readwrite', (tx) =>
    Promise.all(
      ready.map(async (change) => {
        const value = await result(tx.objectStore(change.store).get(change.key))
        const text = value === undefined ? null : encodeNow(value, options)
        const current = text === undefined ? change.before : text === null ? null : digest(text)
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
    const free = report.ack && (await acknowledge(tx, now, batch, report))
    if (report.ack && batch.full) rememberFull(seen, batch)
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
    advance(now, report, deferred, twoWay, changes, free)
    meta.put(now, 'state')
    return { state: now, applied, skipped }
  })
}

// What an answer changes here in scan mode, where the data and the client's stores are two databases.

import { acknowledge, advance, markApplied, markStale, store } from './apply.js'
import { digest } from './digest.js'
import { encode, encodeKey, encodeNow } from './encode.js'
import { recordName } from './home.js'
import { BY_RECORD, META, OPS, SEEN, eachRecord, result, transaction } from './idb.js'

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

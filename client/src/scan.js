// Capture by scan: what differs from the last scan becomes operations. The application is not changed.

import { present } from './batch.js'
import { digest } from './digest.js'
import { encode, encodeKey, encodeNow } from './encode.js'
import { recordName } from './home.js'
import { META, OPS, SEEN, eachRecord, result, transaction } from './idb.js'
import { hasMarks } from './scan-apply.js'

/** More deletions than this, and more than a fifth of an object store, are held until somebody confirms them. */
const MAX_DELETES = 10

/**
 * Compares all records with what the last scan found; one read-only transaction. Gives `{ written, held }`: how many
 * operations there are now, and how many deletions wait for a word.
 */
export async function scan(app, home, options, clock, { confirmed, failed }) {
  const stores = present(app, options.stores)
  const [keys, rows] = await transaction(home, SEEN, 'readonly', (tx) => {
    const seen = tx.objectStore(SEEN)
    return Promise.all([result(seen.getAllKeys()), result(seen.getAll())])
  })
  const seen = new Map()
  keys.forEach(([store, key], at) => seen.set(recordName(store, encodeKey(key)), { store, key, ...rows[at] }))
  const counts = {}
  for (const { store, hash } of seen.values()) if (hash) counts[store] = (counts[store] ?? 0) + 1
  const changed = []
  // What we were about to write when we ended, and had written; and what may be on top of that.
  const recovered = []
  const [sure, unsure] = [[], []]
  const later = []
  const compare = (store, key, value, text) => {
    const name = recordName(store, encodeKey(key))
    const known = seen.get(name)
    seen.delete(name)
    const hash = digest(text)
    if (known?.next === hash) recovered.push({ ...known, name })
    else if (known?.hash !== hash) {
      changed.push({ store, key, value, hash, base: known?.base })
      if (known?.rev) (hasMarks(value, known.marks) ? sure : unsure).push({ ...known, name })
    }
  }
  await transaction(app, stores, 'readonly', async (tx) => {
    for (const name of stores) {
      await eachRecord(tx.objectStore(name), (key, value) => {
        try {
          const text = encodeNow(value, options)
          if (text === undefined) later.push([name, key, value])
          else compare(name, key, value, text)
        } catch (error) {
          seen.delete(recordName(name, encodeKey(key)))
          failed({ store: name, key }, error)
        }
      })
    }
  })
  for (const [store, key, value] of later) compare(store, key, value, await encode(value, options))
  const gone = []
  for (const [name, record] of seen) {
    const { store, hash, next } = record
    if (!stores.includes(store)) continue
    if (next === null) recovered.push({ ...record, name })
    else if (hash) gone.push(record)
  }
  // It was one transaction: if one of them was written, all were.
  const written = recovered.some(({ hash, next }) => (hash ?? null) !== next)
  const onTop = written ? [...sure, ...unsure] : sure
  const applied = [...recovered, ...onTop]
  // What is on top of that does not start from our own last change.
  const bases = new Map(onTop.map(({ name, rev }) => [name, rev]))
  const held = []
  for (const store of stores) {
    const deletes = gone.filter((record) => record.store === store).length
    if (deletes > MAX_DELETES && deletes * 5 > counts[store]) held.push({ store, deletes })
  }
  const deletions = held.length && !confirmed ? gone.filter(({ store }) => !held.some((it) => it.store === store)) : gone
  if (!changed.length && !deletions.length && !applied.length) return { written: 0, held: confirmed ? [] : held }
  await transaction(home, [OPS, SEEN, META], 'readwrite', async (tx) => {
    const [ops, rows, meta] = [tx.objectStore(OPS), tx.objectStore(SEEN), tx.objectStore(META)]
    const state = await result(meta.get('state'))
    for (const { name, rev } of applied) if (rev > state.base) state.ahead[name] = rev
    if (applied.length) meta.put(state, 'state')
    for (const { store, key, next, rev } of recovered) {
      if (next === null) rows.delete([store, key])
      // Operations on it that still wait are in, and older: the next one is made on this.
      else rows.put({ hash: next, base: rev }, [store, key])
    }
    const based = (rev) => rev > state.base && { base: rev }
    for (const { store, key, value, hash, base } of changed) {
      ops.add({ store, key, value, at: clock.now(), ...based(bases.get(recordName(store, encodeKey(key))) ?? base) })
      rows.put({ hash }, [store, key])
    }
    for (const { store, key, base } of deletions) {
      ops.add({ store, key, gone: true, at: clock.now(), ...based(base) })
      rows.delete([store, key])
    }
  })
  return { written: changed.length + deletions.length, held: confirmed ? [] : held }
}

export { digest } from './digest.js'
export { rememberFull, settleScan } from './scan-apply.js'

// What the client knows of itself: identity, sequence, base. It lies beside the data, so that it dies with it.

import { encodeKey } from './encode.js'
import { META, OPS, SEEN, result, transaction } from './idb.js'

/**
 * A new life of a source. With `full` it first sends everything that it has, as number 1; else it is said to have
 * applied `base`, and begins with its first change.
 */
export function newLife({ source, random, lastKey = 0, full = true, base = 0, named, conflicts = [] }) {
  return {
    // A source of its own for each life, unless the application names one: then the epoch tells the lives apart.
    source: source ?? random(),
    epoch: random(),
    fresh: true,
    // An operation's sequence number is its key less this.
    offset: full ? lastKey - 1 : lastKey,
    // All operations up to this key are acknowledged.
    lastKey,
    base,
    // Up to where an earlier life had applied everything, until this one has a `base`: its records are based on that.
    basis: 0,
    // The state of one version, `{ version, state }`: a base that is this version is sent with it, because a history that was
    // replaced uses the same numbers again. Rows of earlier releases have none.
    named,
    full,
    version: base,
    databaseVersion: 0,
    clock: 0,
    generators: {},
    // Records that are not what is stored, because something waits or this browser cannot make it: what they are based on.
    stale: {},
    // Records that were applied from a version beyond `base`, and that version.
    ahead: {},
    conflicts,
  }
}

/** The client's row, made on first use. `db` is where the client's stores are. */
export function readState(db, create) {
  return transaction(db, META, 'readwrite', async (tx) => {
    const meta = tx.objectStore(META)
    const known = await result(meta.get('state'))
    if (known?.restoring) throw new Error('a restore did not end: restore again')
    if (known) return known
    const made = create()
    meta.put(made, 'state')
    return made
  })
}

/** Whether a row is still the one that was read: no other tab went on, nothing was dropped, no other life began. */
export const isSame = (now, { epoch, offset, lastKey }) => now?.epoch === epoch && now.offset === offset && now.lastKey === lastKey

/**
 * Changes the row in a transaction of its own. With `known` only if it still stands so, and once fulfilled it is on the disk,
 * with all that was written before. Gives the row; `undefined` if nothing was changed.
 */
export function changeState(db, change, known) {
  const work = async (tx) => {
    const meta = tx.objectStore(META)
    const state = await result(meta.get('state'))
    if (!state || (known && !isSame(state, known))) return undefined
    change(state)
    meta.put(state, 'state')
    return state
  }
  return transaction(db, META, 'readwrite', work, known && { durability: 'strict' })
}

/** The greatest key of an operation, or `lastKey` if there is none; inside a transaction. */
export async function greatestKey(tx, lastKey) {
  const cursor = await result(tx.objectStore(OPS).openKeyCursor(null, 'prev'))
  return Math.max(cursor ? cursor.key : 0, lastKey)
}

/**
 * Drops what waits, for everything is sent instead; inside a transaction. Gives what changes in the row: with what the first dropped
 * operation of each record was based on, where it said so.
 */
export async function drop(tx, state) {
  const lastKey = await greatestKey(tx, state?.lastKey ?? 0)
  const ops = tx.objectStore(OPS)
  const [dropped, names] = [{}, new Set()]
  for (const { store, key, base } of await result(ops.getAll())) {
    const name = recordName(store, encodeKey(key))
    if (base !== undefined && !names.has(name)) dropped[name] = base
    names.add(name)
  }
  ops.clear()
  return { lastKey, dropped: { ...dropped, ...state?.dropped } }
}

/**
 * Begins another life, in place: what was pending is dropped, for the full batch holds it. Where the data `goesOn`, its records say
 * what they are based on, so that an old copy is not a change. With `known` only if the row still stands so; else it gives `undefined`.
 */
export function rebirth(db, options, known) {
  return transaction(db, [META, OPS, SEEN], 'readwrite', async (tx) => {
    const meta = tx.objectStore(META)
    const old = await result(meta.get('state'))
    if (known && !isSame(old, known)) return undefined
    const { lastKey, dropped } = await drop(tx, old)
    const state = newLife({ ...options, lastKey })
    if (options.goesOn && old) {
      const { stale, ahead, base, basis, named } = old
      Object.assign(state, { stale, ahead, dropped, named, basis: base || basis })
    }
    tx.objectStore(SEEN).clear()
    meta.put(state, 'state')
    return state
  })
}

/** The client's name of a record, for maps. */
export const recordName = (store, keyText) => `${store}\n${keyText}`

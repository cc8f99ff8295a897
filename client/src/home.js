// What the client knows of itself: identity, sequence, base. It lies beside the data, so that it dies with it.

import { META, OPS, SEEN, result, transaction } from './idb.js'

/**
 * A new life of a source. With `full` it first sends everything that it has, as number 1; else it is said to have
 * applied `base`, and begins with its first change.
 */
export function newLife({ source, random, lastKey = 0, full = true, base = 0, conflicts = [] }) {
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

/** Changes the row in a transaction of its own. */
export function changeState(db, change) {
  return transaction(db, META, 'readwrite', async (tx) => {
    const meta = tx.objectStore(META)
    const state = await result(meta.get('state'))
    if (!state) return undefined
    change(state)
    meta.put(state, 'state')
    return state
  })
}

/** The greatest key of an operation, or `lastKey` if there is none; inside a transaction. */
export async function greatestKey(tx, lastKey) {
  const cursor = await result(tx.objectStore(OPS).openKeyCursor(null, 'prev'))
  return Math.max(cursor ? cursor.key : 0, lastKey)
}

/** Begins another life, in place: what was pending is dropped, for the full batch holds it. */
export function rebirth(db, options) {
  return transaction(db, [META, OPS, SEEN], 'readwrite', async (tx) => {
    const meta = tx.objectStore(META)
    const old = await result(meta.get('state'))
    const lastKey = await greatestKey(tx, old?.lastKey ?? 0)
    tx.objectStore(OPS).clear()
    tx.objectStore(SEEN).clear()
    const state = newLife({ ...options, lastKey })
    meta.put(state, 'state')
    return state
  })
}

/** The client's name of a record, for maps. */
export const recordName = (store, keyText) => `${store}\n${keyText}`

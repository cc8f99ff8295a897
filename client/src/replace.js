// A database goes and comes again: the part of a restore that can end half-way.
//
// Until it is over, a row says so (`restoring`), in the database itself or, in scan mode, in the client's: nobody sends the half of
// a version, not even if this tab dies.

import { digest } from './digest.js'
import { encode } from './encode.js'
import { changeState, newLife, rebirth } from './home.js'
import { META, OPS, SEEN, nifiStores, openOwn, result, transaction } from './idb.js'
import { makeStores } from './schema.js'

/** Records that are written in one transaction. */
const PAGE = 500
/** Milliseconds that the removal of a half-filled database waits for connections of others. */
const PATIENCE = 5000

const plain = { maxBlobBytes: Infinity, stacks: false }

/** The digest of a value without error stacks, which engines write as they like. */
export const proof = async (value) => digest(await encode(value, plain))

/** Deletes a database once all others closed it; false if `patience` milliseconds were not enough, then it goes later. */
export function remove(factory, name, { signal, patience }) {
  return new Promise((resolve, reject) => {
    const request = factory.deleteDatabase(name)
    request.onsuccess = () => resolve(true)
    request.onblocked = () => patience && setTimeout(resolve, patience, false)
    request.onerror = () => reject(request.error)
    signal?.addEventListener('abort', () => reject(signal.reason))
  })
}

/** Makes a database; `mark(meta)` is part of that, if it has the client's stores. */
function build(factory, name, { databaseVersion, stores }, mark) {
  const request = factory.open(name, databaseVersion)
  let made, failed
  const make = (db) => {
    makeStores(db, stores)
    if (!mark) return
    nifiStores(db)
    mark(request.transaction.objectStore(META))
  }
  request.onupgradeneeded = ({ oldVersion }) => {
    try {
      if (oldVersion) return request.transaction.abort()
      made = true
      make(request.result)
    } catch (error) {
      failed = error
      request.transaction.abort()
    }
  }
  const other = () => new Error('another page made the database in the meantime: close it there, and restore again')
  return result(request).then(
    (db) => {
      if (made) return db
      db.close()
      throw other()
    },
    (error) => {
      throw made ? (failed ?? error) : other()
    },
  )
}

/** Sets the key generator of a store, by a record that comes and goes. */
function setGenerator(store, next) {
  if (!store.autoIncrement || !(next > 1)) return
  const key = next - 1
  const value = {}
  if (store.keyPath !== null) {
    const names = store.keyPath.split('.')
    const last = names.pop()
    let at = value
    for (const name of names) at = at[name] = {}
    at[last] = key
  }
  const known = store.getKey(key)
  known.onsuccess = () => {
    if (known.result !== undefined) return
    if (store.keyPath === null) store.put(value, key)
    else store.put(value)
    store.delete(key)
  }
}

async function fill(db, { stores }, wanted, { signal, onProgress }) {
  for (let at = 0; at < wanted.length; at += PAGE) {
    signal?.throwIfAborted()
    const page = wanted.slice(at, at + PAGE)
    await transaction(db, [...new Set(page.map(({ store }) => store))], 'readwrite', (tx) => {
      for (const { store, key, value } of page) {
        const target = tx.objectStore(store)
        if (target.keyPath === null) target.put(value, key)
        else target.put(value)
      }
    })
    onProgress({ phase: 'write', records: Math.min(at + PAGE, wanted.length), of: wanted.length })
  }
  const names = stores.map(({ name }) => name)
  if (!names.length) return
  await transaction(db, names, 'readwrite', (tx) => stores.forEach(({ name, keyGenerator }) => setGenerator(tx.objectStore(name), keyGenerator)))
}

/** Reads everything back and compares. */
async function verify(db, { stores }, wanted, { signal, onProgress }) {
  let at = 0
  for (const { store, key, proof: expected } of wanted) {
    const value = await result(db.transaction(store).objectStore(store).get(key))
    if (expected !== (await proof(value))) throw Object.assign(new Error('a record that was written is not what was sent'), { store, key })
    if (++at % PAGE) continue
    signal?.throwIfAborted()
    onProgress({ phase: 'verify', records: at, of: wanted.length })
  }
  for (const { name } of stores) {
    const count = await result(db.transaction(name).objectStore(name).count())
    if (count !== wanted.filter(({ store }) => store === name).length) throw new Error('there are more records than were sent')
  }
}

/**
 * Deletes the database, makes it by `header`, fills it with `wanted`, and proves it. Then a new life begins in it, whose row
 * `begin` gives, with the operations `changes`, and with `rows` for the next scan. Whatever goes wrong after the deletion: the
 * database is removed.
 */
export async function replace(env, options, version) {
  const { indexedDB, random } = env
  const { database, mode, source, signal } = options
  const mark = (meta, state = newLife({ source, random })) => meta.put({ ...state, restoring: true }, 'state')
  const own = mode === 'scan' ? await openOwn(indexedDB, `nifi-idb:${database}`) : undefined
  try {
    if (own) {
      await transaction(own, META, 'readwrite', async (tx) => {
        const meta = tx.objectStore(META)
        mark(meta, await result(meta.get('state')))
      })
    }
    let asked
    try {
      signal?.throwIfAborted()
      asked = true
      await remove(indexedDB, database, { signal })
    } catch (error) {
      // A deletion that waits cannot be called back, so the mark stays. One that failed, or was not asked for, changed nothing.
      if (own && !(asked && signal?.aborted)) await changeState(own, (state) => delete state.restoring)
      throw error
    }
    await remake(env, options, version, own, mark)
  } finally {
    own?.close()
  }
}

async function remake({ indexedDB, random }, options, { header, wanted, changes, rows, begin }, own, mark) {
  const { database, source, signal } = options
  const life = { source, random }
  let db
  try {
    db = await build(indexedDB, database, header, own ? undefined : mark)
    await fill(db, header, wanted, options)
    await verify(db, header, wanted, options)
    signal?.throwIfAborted()
    await transaction(own ?? db, [META, OPS, SEEN], 'readwrite', async (tx) => {
      const [meta, ops, seen] = [META, OPS, SEEN].map((name) => tx.objectStore(name))
      const [old, last] = await Promise.all([result(meta.get('state')), result(ops.openKeyCursor(null, 'prev'))])
      ops.clear()
      seen.clear()
      for (const change of changes) ops.add(change)
      for (const [row, key] of rows) seen.put(row, key)
      meta.put(begin({ ...life, lastKey: Math.max(last?.key ?? 0, old.lastKey) }), 'state')
    })
    db.close()
  } catch (error) {
    db?.close()
    // Half a database is worse than none. What cannot be removed now still says what it is.
    const undo = async () => {
      const gone = !db || (await remove(indexedDB, database, { patience: PATIENCE }))
      if (gone && own) await rebirth(own, life)
    }
    await undo().catch(() => {})
    throw error
  }
}

// IndexedDB with promises, and the stores in which the client keeps what it knows.

/** What was written and is not acknowledged; its keys, which have no gaps, become sequence numbers. */
export const OPS = 'nifi-ops'
/** One row: who this source is and how far it is. */
export const META = 'nifi-meta'
/** Per record, where there is something to know: the digest that the last scan found. */
export const SEEN = 'nifi-seen'

/** The index of `nifi-ops` by record. Dexie would call it so. */
export const BY_RECORD = '[store+key]'

/** The client's stores as Dexie's `stores()` wants them. */
export const dexieStores = { [OPS]: `++,${BY_RECORD}`, [META]: '', [SEEN]: '' }

/** Creates the client's stores: call it in `onupgradeneeded`. Does nothing where they are there. */
export function nifiStores(db) {
  const missing = (name) => !db.objectStoreNames.contains(name)
  if (missing(OPS)) db.createObjectStore(OPS, { autoIncrement: true }).createIndex(BY_RECORD, ['store', 'key'])
  if (missing(META)) db.createObjectStore(META)
  if (missing(SEEN)) db.createObjectStore(SEEN)
}

/** The result of a request. */
export const result = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })

/** Fulfilled when a transaction is durable. */
export const completed = (tx) =>
  new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve()
    tx.onabort = () => reject(tx.error ?? new DOMException('the transaction was aborted', 'AbortError'))
  })

/** Runs `work(tx)`; fulfilled with its result once the transaction completed. An error in it aborts the transaction. */
export async function transaction(db, stores, mode, work, options) {
  const tx = db.transaction(stores, mode, options)
  const end = completed(tx)
  let value
  try {
    value = await work(tx)
  } catch (error) {
    try {
      tx.abort()
    } catch {
      // It is over already.
    }
    await end.catch(() => {})
    throw error
  }
  await end
  return value
}

/**
 * Opens a database as it is. `undefined` if there is none: then it is not made either. The connection closes itself when
 * somebody wants to change or delete the database.
 */
export async function openExisting(factory, name, closed) {
  const request = factory.open(name)
  let absent = false
  request.onupgradeneeded = () => {
    absent = true
    request.transaction.abort()
  }
  const db = await result(request).catch((error) => {
    if (absent) return undefined
    throw error
  })
  if (db) closes(db, closed)
  return db
}

/** Opens the client's own database, for capture by scan. */
export async function openOwn(factory, name, closed) {
  const request = factory.open(name, 1)
  request.onupgradeneeded = () => nifiStores(request.result)
  return closes(await result(request), closed)
}

function closes(db, closed) {
  db.onversionchange = () => {
    db.close()
    closed?.(db)
  }
  db.onclose = () => closed?.(db)
  return db
}

/** All records of a store in pages: `visit(key, value)` runs inside the transaction. */
export async function eachRecord(store, visit, size = 500) {
  let range = null
  for (;;) {
    // Together: the second waits for nothing.
    const [keys, values] = await Promise.all([result(store.getAllKeys(range, size)), result(store.getAll(range, size))])
    const more = keys.length === size
    if (more) range = IDBKeyRange.lowerBound(keys[size - 1], true)
    for (let i = 0; i < keys.length; i++) visit(keys[i], values[i])
    if (!more) return
  }
}

// Tries a version out in a database of its own, so that nothing is deleted for a version that this browser cannot make.

import { remove } from './replace.js'
import { makeStores } from './schema.js'
import { result, transaction } from './idb.js'

/** Milliseconds that the removal of the trial waits for somebody who opened it. */
const PATIENCE = 5000
/** Records that are tried in one transaction. */
const PAGE = 500

/** True if a request succeeds. A failure is handled here, and does not abort the transaction. */
const works = (request) =>
  new Promise((resolve) => {
    request.onsuccess = () => resolve(true)
    request.onerror = (event) => {
      event.preventDefault()
      event.stopPropagation()
      resolve(request.error)
    }
  })

async function tryOut(target, { key, value }) {
  try {
    return await works(target.keyPath === null ? target.put(value, key) : target.put(value))
  } catch (error) {
    return error
  }
}

/**
 * Makes the schema of `header`, and of the object stores with a unique index also the records, in a database that is deleted
 * again. Records elsewhere cannot refuse each other.
 *
 * Returns the records that cannot be made, each with its `error`; throws where the schema cannot be made.
 */
export async function rehearse(factory, database, { stores }, wanted, { signal, onProgress }) {
  const name = `nifi-restore:${database}`
  await remove(factory, name, { signal })
  const request = factory.open(name, 1)
  let failed
  request.onupgradeneeded = () => {
    try {
      makeStores(request.result, stores)
    } catch (error) {
      failed = error
      request.transaction.abort()
    }
  }
  const db = await result(request).catch((error) => {
    throw new Error(`this browser cannot make the object stores of that version: ${(failed ?? error).message}`, { cause: failed ?? error })
  })
  const refused = []
  try {
    const unique = new Set(stores.filter(({ indexes }) => indexes.some(({ unique }) => unique)).map(({ name }) => name))
    const tried = wanted.filter(({ store }) => unique.has(store))
    for (let at = 0; at < tried.length; at += PAGE) {
      signal?.throwIfAborted()
      const page = tried.slice(at, at + PAGE)
      await transaction(db, [...new Set(page.map(({ store }) => store))], 'readwrite', async (tx) => {
        const outcomes = await Promise.all(page.map((record) => tryOut(tx.objectStore(record.store), record)))
        outcomes.forEach((outcome, i) => outcome === true || refused.push({ ...page[i], error: outcome }))
      })
      onProgress({ phase: 'try', records: Math.min(at + PAGE, tried.length), of: tried.length })
    }
  } finally {
    db.close()
    await remove(factory, name, { patience: PATIENCE })
  }
  return refused
}

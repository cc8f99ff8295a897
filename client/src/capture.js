// Capture by oplog: what the application writes through one IDBDatabase is written down in the same transaction.
//
// Only this connection and what comes from it is wrapped, by methods of its own: no prototype is touched, so other
// libraries and other connections work as ever.

import { OPS } from './idb.js'

const isRange = (query) => typeof query === 'object' && query !== null && 'lowerOpen' in query
const copy = (value) => (typeof value === 'object' && value !== null ? structuredClone(value) : value)

/** Puts an automatic key where the engine puts it. */
function inject(value, path, key) {
  const names = path.split('.')
  const last = names.pop()
  let at = value
  for (const name of names) at = at[name] ??= {}
  at[last] ??= key
}

/**
 * Writes down what `db` writes to `stores`. `log` has `clock`, `stopped`, `stop(error, aborted)` for when there is no room (`aborted`: for
 * the transaction itself), and `written()`, called when a transaction that wrote has completed.
 */
export function capture(db, stores, log) {
  const names = new Set(stores)
  const transaction = db.transaction
  db.transaction = function (scope, mode, ...options) {
    const list = typeof scope === 'string' ? [scope] : [...scope]
    const plain = mode !== 'readwrite' || log.stopped || list.includes(OPS) || !list.some((name) => names.has(name))
    if (plain) return transaction.call(db, scope, mode, ...options)
    const tx = transaction.call(db, [...list, OPS], mode, ...options)
    follow(tx, list, names, log)
    return tx
  }
  return db
}

function follow(tx, scope, names, log) {
  const objectStore = tx.objectStore
  const ops = objectStore.call(tx, OPS)
  const known = new WeakSet()
  let wrote = false
  const append = (store, key, at, value, gone) => {
    try {
      const request = ops.add(gone ? { store, key, at, gone } : { store, key, at, value })
      wrote = true
      request.addEventListener('error', (event) => {
        if (request.error.name === 'AbortError') return
        // The application's own write goes on.
        event.preventDefault()
        event.stopPropagation()
        log.stop(request.error)
      })
    } catch (error) {
      log.stop(error)
    }
  }
  tx.objectStore = (name) => {
    const store = objectStore.call(tx, name)
    if (names.has(name) && !known.has(store)) {
      known.add(store)
      wrap(store, append, log, known)
    }
    return store
  }
  // Whoever asks sees the scope that was asked for.
  const list = [...new Set(scope)].sort()
  const shown = Object.assign(list, { item: (at) => list[at] ?? null, contains: (name) => list.includes(name) })
  Object.defineProperty(tx, 'objectStoreNames', { value: shown, configurable: true })
  // It commits by itself once our writes are done, too.
  tx.commit = () => {}
  tx.addEventListener('complete', () => wrote && log.written())
  tx.addEventListener('abort', () => tx.error?.name === 'QuotaExceededError' && log.stop(tx.error, true))
}

function wrap(store, append, log, known) {
  const { name, keyPath, autoIncrement } = store
  const generated = autoIncrement && typeof keyPath === 'string' ? keyPath : null
  const put = (request, value) => {
    const [at, copied] = [log.clock.now(), copy(value)]
    request.addEventListener('success', () => {
      if (generated !== null) inject(copied, generated, request.result)
      append(name, request.result, at, copied)
    })
    return request
  }
  for (const method of ['put', 'add']) {
    const real = store[method]
    store[method] = (value, ...key) => put(real.call(store, value, ...key), value)
  }
  const remove = store.delete
  const gone = (request, key) => {
    const [at, copied] = [log.clock.now(), copy(key)]
    request.addEventListener('success', () => append(name, copied, at, undefined, true))
    return request
  }
  /** What a range holds is asked for before it goes. */
  const expand = (range) => {
    const at = log.clock.now()
    const request = store.getAllKeys(range)
    request.addEventListener('success', () => request.result.forEach((key) => append(name, key, at, undefined, true)))
  }
  store.delete = (query) => {
    if (!isRange(query)) return gone(remove.call(store, query), query)
    expand(query)
    return remove.call(store, query)
  }
  const clear = store.clear
  store.clear = () => {
    expand()
    return clear.call(store)
  }
  const cursors = (target) => {
    const open = target.openCursor
    target.openCursor = (...query) => {
      const request = open.apply(target, query)
      request.addEventListener('success', () => {
        const cursor = request.result
        if (!cursor || known.has(cursor)) return
        known.add(cursor)
        const [update, remove] = [cursor.update, cursor.delete]
        cursor.update = (value) => put(update.call(cursor, value), value)
        cursor.delete = () => gone(remove.call(cursor), cursor.primaryKey)
      })
      return request
    }
  }
  cursors(store)
  const index = store.index
  store.index = (name) => {
    const found = index.call(store, name)
    if (!known.has(found)) {
      known.add(found)
      cursors(found)
    }
    return found
  }
}

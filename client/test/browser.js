// A browser of its own in Node: its databases, its locks, its channels, its tabs.

import { IDBFactory, IDBKeyRange } from 'fake-indexeddb'

import { NifiClient, nifiStores } from '../src/index.js'

globalThis.IDBKeyRange ??= IDBKeyRange

/** Web Locks of one origin: exclusive ones, in turn. */
export class Locks {
  last = Promise.resolve()
  request(_, work) {
    const turn = this.last.then(() => Promise.race([work(), this.death()]))
    this.last = turn.catch(() => {})
    return turn
  }
  /** A tab that dies lets go of its lock. */
  death() {
    return new Promise((_, reject) => (this.kill = () => reject(new Error('the tab died'))))
  }
}

let browsers = 0

export class Browser {
  constructor(name = `browser-${browsers}`) {
    this.id = browsers++
    this.name = name
    this.indexedDB = new IDBFactory()
    this.locks = new Locks()
    const prefix = `${this.id}:`
    this.BroadcastChannel = class extends BroadcastChannel {
      constructor(name) {
        super(prefix + name)
      }
    }
  }

  env(more = {}) {
    const { indexedDB, locks, BroadcastChannel } = this
    return { indexedDB, locks, BroadcastChannel, ...more }
  }

  /** Opens the application's database. */
  open(name = 'shop', upgrade = shop, version = 1) {
    const request = this.indexedDB.open(name, version)
    return new Promise((resolve, reject) => {
      request.onupgradeneeded = () => upgrade(request.result)
      request.onsuccess = () => {
        request.result.onversionchange = () => request.result.close()
        resolve(request.result)
      }
      request.onerror = () => reject(request.error)
    })
  }

  /** A tab: a connection that is captured, and a client that syncs when it is told to. */
  async tab(options, upgrade = shop) {
    const db = await this.open(options.database ?? 'shop', upgrade)
    const client = new NifiClient({
      database: 'shop',
      stores: ['data'],
      interval: 0,
      delay: 1e9,
      minRetry: 1e9,
      maxRetry: 2e9,
      ...options,
      env: this.env(options.env),
    })
    if (options.mode !== 'scan') client.capture(db)
    return { db, client }
  }
}

/** The application's schema, with the client's stores. */
export function shop(db) {
  db.createObjectStore('data', { keyPath: 'id' })
  nifiStores(db)
}

/** One transaction of the application. */
export function write(db, work, stores = 'data') {
  const tx = db.transaction(stores, 'readwrite')
  work(tx.objectStore(stores), tx)
  return new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve()
    tx.onabort = () => reject(tx.error ?? new Error('aborted'))
  })
}

/** What is written down in a captured transaction has no room. */
export function fullDisk(tx) {
  Object.getPrototypeOf(tx).objectStore.call(tx, 'nifi-ops').add = () => {
    throw new DOMException('no room', 'QuotaExceededError')
  }
}

/** All records of a store. */
export function all(db, store = 'data') {
  const request = db.transaction(store).objectStore(store).getAll()
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

// nifi-idb-client: a page's IndexedDB data, backed up and kept in step through NiFi.

export { NifiClient } from './client.js'
export { dexieStores, nifiStores } from './idb.js'

/** Asks the browser to keep the data of this origin, and says in words what came of it. */
export const persist = async (storage) => (await import('./persist.js')).persist(storage)

/** Replaces a database by a stored version. What it needs is loaded when it is called. */
export const restore = async (options) => (await import('./restore.js')).restore(options)

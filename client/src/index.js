// nifi-idb-client: a page's IndexedDB data, backed up and kept in step through NiFi.

export { NifiClient } from './client.js'
export { decode } from './decode.js'
export { encode, encodeKey, encodeNow } from './encode.js'
export { dexieStores, nifiStores } from './idb.js'
export { persist } from './persist.js'
export { restore } from './restore.js'
export { ValueError } from './text.js'

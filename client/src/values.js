// nifi-idb-client/values: the canonical text of what IndexedDB stores, for pages that want it themselves.

export { decode } from './decode.js'
export { encode, encodeKey, encodeNow } from './encode.js'
export { ValueError } from './text.js'

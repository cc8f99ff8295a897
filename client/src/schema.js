// The header of a batch: which database this is, and what its object stores are.

import { result } from './idb.js'
import { quote, string } from './text.js'

const path = (keyPath) => (Array.isArray(keyPath) ? `[${keyPath.map(string).join()}]` : keyPath === null ? 'null' : string(keyPath))

/** The schema of the named object stores, as members of a header; inside a transaction over them. */
export async function schemaText(tx, names, generators = {}) {
  const stores = await Promise.all(
    names.map(async (name) => {
      const store = tx.objectStore(name)
      const indexes = [...store.indexNames].map((name) => {
        const { keyPath, unique, multiEntry } = store.index(name)
        return `{"name":${string(name)},"keyPath":${path(keyPath)},"unique":${unique},"multiEntry":${multiEntry}}`
      })
      const next = store.autoIncrement ? `,"keyGenerator":${await nextKey(store, generators[name])}` : ''
      return (
        `{"name":${string(name)},"keyPath":${path(store.keyPath)},"autoIncrement":${store.autoIncrement},` +
        `"indexes":[${indexes.join()}]${next}}`
      )
    }),
  )
  const { name, version } = tx.db
  return `"format":"indexeddb-changes/1","database":${string(name)},"databaseVersion":${version},"stores":[${stores.join()}]`
}

/** The next automatic key, as far as a page can tell without using one up: behind the greatest that it has seen. */
async function nextKey(store, known = 1) {
  const cursor = await result(store.openKeyCursor(IDBKeyRange.upperBound(Infinity), 'prev'))
  const greatest = cursor ? Math.floor(cursor.key) + 1 : 1
  return Math.min(Math.max(greatest, known, 1), 2 ** 53)
}

/** A version in a batch, with its state if that is known. */
export const versionText = (version, named) =>
  named?.version === version ? `{"version":${version},"state":${quote(named.state)}}` : `${version}`

/** The members of a header that say whose changes these are. */
export function originText({ source, epoch, first, last, base, named, mode }) {
  let text = `,"source":${quote(source)},"mode":"${mode}"`
  if (epoch) text += `,"epoch":${quote(epoch)},"first":${first},"last":${last}`
  if (base) text += `,"base":${versionText(base, named)}`
  return text
}

/** Makes object stores with their indexes, inside an upgrade. Throws where this browser does not take one. */
export function makeStores(db, stores) {
  for (const { name, keyPath, autoIncrement, indexes } of stores) {
    const store = db.createObjectStore(name, { keyPath, autoIncrement })
    for (const { name, keyPath, unique, multiEntry } of indexes) store.createIndex(name, keyPath, { unique, multiEntry })
  }
}

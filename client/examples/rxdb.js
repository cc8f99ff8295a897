// Two-way beside RxDB: documents go through RxDB's own replication to an object store that the client keeps in step.
//
// RxDB writes its own database, and nobody else does. The object store holds the bare documents with `_deleted`,
// without revision and time. What others change there comes back through RxDB, which tells its queries.

import { deepEqual, defaultConflictHandler } from 'rxdb'
import { replicateRxCollection } from 'rxdb/plugins/replication'
import { Subject } from 'rxjs'

/**
 * For `addCollections`: when a change here crosses one that came, both stand, and of one member the one here. RxDB's own
 * handler drops what is here.
 */
export const conflictHandler = {
  isEqual: defaultConflictHandler.isEqual,
  resolve({ realMasterState, newDocumentState, assumedMasterState = {} }) {
    const merged = { ...realMasterState }
    for (const name of Object.keys({ ...assumedMasterState, ...newDocumentState })) {
      const mine = newDocumentState[name]
      if (deepEqual(mine, assumedMasterState[name])) continue
      if (mine === undefined) delete merged[name]
      else merged[name] = mine
    }
    return merged
  },
}

/**
 * Replicates a collection with `store` of `db`, a connection that `client` captures; its key path is the collection's primary
 * key. Without attachments. Gives RxDB's replication state.
 */
export function replicate(collection, { client, db, store }) {
  const incoming = new Subject()
  // Each page reads everything once; from then on it is told.
  const checkpoint = { page: Math.random() }
  /** Tells RxDB what is there, in the order in which it came to be. */
  const tell = (tx, documents) => tx.addEventListener('complete', () => documents.length && incoming.next({ documents, checkpoint }))

  client.addEventListener('applied', ({ detail }) => {
    const keys = detail.changes.filter((change) => change.store === store).map(({ key }) => key)
    const tx = db.transaction(store)
    const documents = []
    for (const key of keys) {
      const request = tx.objectStore(store).get(key)
      request.onsuccess = () => request.result && documents.push(request.result)
    }
    tell(tx, documents)
  })

  /** Puts what RxDB has, unless something came in between: then RxDB's conflict handler decides. */
  const push = (rows) =>
    new Promise((resolve, reject) => {
      const tx = db.transaction(store, 'readwrite')
      const [conflicts, written] = [[], []]
      for (const { newDocumentState, assumedMasterState } of rows) {
        const request = tx.objectStore(store).get(newDocumentState[collection.schema.primaryPath])
        request.onsuccess = () => {
          const there = request.result
          if (there && !deepEqual(there, assumedMasterState)) return conflicts.push(there)
          tx.objectStore(store).put(newDocumentState)
          written.push(newDocumentState)
        }
      }
      tell(tx, written)
      tx.addEventListener('complete', () => resolve(conflicts))
      tx.addEventListener('abort', () => reject(tx.error))
    })

  const pull = (known) =>
    new Promise((resolve, reject) => {
      if (known?.page === checkpoint.page) return resolve({ documents: [], checkpoint })
      const request = db.transaction(store).objectStore(store).getAll()
      request.onsuccess = () => resolve({ documents: request.result, checkpoint })
      request.onerror = () => reject(request.error)
    })

  return replicateRxCollection({
    collection,
    replicationIdentifier: `nifi-idb:${db.name}:${store}`,
    pull: { handler: pull, stream$: incoming },
    push: { handler: push },
  })
}

// Two-way beside RxDB: documents go through RxDB's own replication to an object store that the client keeps in step.
//
// RxDB writes its own database, and nobody else does. The object store holds the bare documents with `_deleted`,
// without revision and time. What others change there comes back through RxDB, which tells its queries.

import { deepEqual, defaultConflictHandler, getAssumedMasterState } from 'rxdb'
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
 * key. Without attachments. Gives RxDB's replication state. When the connection closes (for a new version, for a restore): `cancel()` it,
 * and replicate with the next connection.
 */
export function replicate(collection, { client, db, store }) {
  const { primaryPath } = collection.schema
  const incoming = new Subject()
  // Each page reads everything once; from then on it is told.
  const checkpoint = { page: Math.random() }
  /** Tells RxDB what is there, in the order in which it came to be. */
  const tell = (tx, documents) => tx.addEventListener('complete', () => documents.length && incoming.next({ documents, checkpoint }))
  /** What RxDB is told of a record that is not there any more. */
  const gone = (key) => ({ [primaryPath]: key, _deleted: true })

  const applied = ({ detail }) => {
    const keys = detail.changes.filter((change) => change.store === store).map(({ key }) => key)
    if (!keys.length) return
    try {
      const tx = db.transaction(store)
      const documents = []
      for (const key of keys) {
        const request = tx.objectStore(store).get(key)
        request.onsuccess = () => documents.push(request.result ?? gone(key))
      }
      tell(tx, documents)
    } catch (error) {
      // It was closed. Nothing is lost: the next one reads everything.
      replication.subjects.error.next(error)
    }
  }

  /** Puts what RxDB has, unless something came in between: then RxDB's conflict handler decides. */
  const push = (rows) =>
    new Promise((resolve, reject) => {
      const tx = db.transaction(store, 'readwrite')
      const [conflicts, written] = [[], []]
      for (const { newDocumentState, assumedMasterState: assumed } of rows) {
        const key = newDocumentState[primaryPath]
        const request = tx.objectStore(store).get(key)
        request.onsuccess = () => {
          const there = request.result
          const expected = there ? deepEqual(there, assumed) : !assumed || assumed._deleted
          if (!expected) return conflicts.push(there ?? gone(key))
          tx.objectStore(store).put(newDocumentState)
          written.push(newDocumentState)
        }
      }
      tell(tx, written)
      tx.addEventListener('complete', () => resolve(conflicts))
      tx.addEventListener('abort', () => reject(tx.error))
    })

  /** Everything, and what went while nobody replicated: documents that RxDB once had from there, or had brought there. */
  const pull = async (known) => {
    if (known?.page === checkpoint.page) return { documents: [], checkpoint }
    const held = (await collection.find().exec()).map(({ primary }) => primary)
    const shared = await getAssumedMasterState(replication.internalReplicationState, held)
    const documents = await new Promise((resolve, reject) => {
      const request = db.transaction(store).objectStore(store).getAll()
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
    const there = new Set(documents.map((it) => it[primaryPath]))
    return { documents: [...documents, ...held.filter((key) => shared[key] && !there.has(key)).map(gone)], checkpoint }
  }

  const replication = replicateRxCollection({
    collection,
    replicationIdentifier: `nifi-idb:${db.name}:${store}`,
    pull: { handler: pull, stream$: incoming },
    push: { handler: push },
  })
  client.addEventListener('applied', applied)
  replication.canceled$.subscribe((canceled) => canceled && client.removeEventListener('applied', applied))
  return replication
}

// Gives a database back: deletes what is there, makes it again from a stored version, and proves it.

import { decode, decodeJson } from './decode.js'
import { digest } from './digest.js'
import { encode, encodeKey } from './encode.js'
import { environment } from './env.js'
import { newLife, recordName } from './home.js'
import { META, OPS, SEEN, completed, nifiStores, openOwn, result, transaction } from './idb.js'
import { addresses } from './send.js'

/** Lines of a response as they come. */
async function* linesOf(response) {
  let rest = ''
  for await (const text of chunks(response.body.pipeThrough(new TextDecoderStream()))) {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    yield* lines
  }
  if (rest) yield rest
}

async function* chunks(stream) {
  const reader = stream.getReader()
  for (let part; !(part = await reader.read()).done; ) yield part.value
}

const schemaName = (json) => decodeJson(json)
const schemaPath = (json) => (Array.isArray(json) ? json.map(schemaName) : json === null ? null : schemaName(json))

function remove(factory, name, signal) {
  return new Promise((resolve, reject) => {
    const request = factory.deleteDatabase(name)
    request.onsuccess = () => resolve()
    request.onerror = () => reject(request.error)
    signal?.addEventListener('abort', () => reject(signal.reason))
  })
}

function build(factory, name, header, withStores) {
  const request = factory.open(name, header.databaseVersion)
  request.onupgradeneeded = () => {
    const db = request.result
    for (const { name, keyPath, autoIncrement, indexes = [] } of header.stores) {
      const store = db.createObjectStore(schemaName(name), { keyPath: schemaPath(keyPath ?? null), autoIncrement })
      for (const { name, keyPath, unique, multiEntry } of indexes) {
        store.createIndex(schemaName(name), schemaPath(keyPath), { unique, multiEntry })
      }
    }
    if (withStores) nifiStores(db)
  }
  return result(request)
}

/** Sets the key generator of a store, by a record that comes and goes. */
function setGenerator(store, next) {
  if (!store.autoIncrement || !(next > 1)) return
  const key = next - 1
  const value = {}
  if (store.keyPath !== null) {
    const names = store.keyPath.split('.')
    const last = names.pop()
    let at = value
    for (const name of names) at = at[name] = {}
    at[last] = key
  }
  const known = store.getKey(key)
  known.onsuccess = () => {
    if (known.result !== undefined) return
    if (store.keyPath === null) store.put(value, key)
    else store.put(value)
    store.delete(key)
  }
}

const plain = { maxBlobBytes: Infinity, stacks: false }

/** The digest of a value without error stacks, which engines write as they like. */
const proof = async (value) => digest(await encode(value, plain))

/** Reads a stored version: its header, and its records as `{ store, key, name, value, rev, error }`. */
async function* records(response, expect) {
  let header, end
  for await (const line of linesOf(response)) {
    if (!line) continue
    const json = JSON.parse(line)
    if (!header) {
      header = json
      yield { header }
    } else if (json.op === 'end') end = json
    else {
      const record = { store: schemaName(json.store), key: decodeJson(json.key), rev: json.rev }
      record.name = recordName(record.store, encodeKey(record.key))
      try {
        const from = line.indexOf('"value":') + 8
        record.value = decode(line.slice(from, line.lastIndexOf('}')))
      } catch (error) {
        record.error = error
      }
      expect.count++
      yield record
    }
  }
  if (end?.count !== expect.count) throw new Error('the version came incomplete')
}

/** Where the versions are. A flow in NiFi takes batches and has none to give, so that a client of one needs a `url` too. */
function versions({ versionsUrl, syncUrl, sourcesUrl, ...options }) {
  if (versionsUrl) return versionsUrl
  if (!options.url) throw new TypeError('a restore needs the url of nifi-idb serve, or versionsUrl')
  return addresses(options, '-').sources.replace(/\/sources\/-$/, '/versions')
}

/**
 * Replaces a database by a stored version. Other connections to it have to close on `versionchange`, or it waits.
 *
 * An older version becomes what holds: what differs from the newest one is sent as changes of this page. `mode` and the
 * addresses are those of the client. Gives `{ version, head, records, skipped, changes }`.
 */
export async function restore(options) {
  const { database, mode = 'oplog', version = 'latest', source, signal, onProgress = () => {} } = options
  const { indexedDB, fetch, random, now } = environment(options.env)
  const headers = typeof options.headers === 'function' ? await options.headers() : options.headers
  const root = versions(options)
  const get = async (path) => {
    const response = await fetch(root + path, { headers, signal })
    if (!response.ok) throw new Error(response.headers.get('sync.error') ?? `HTTP ${response.status}`)
    return response
  }
  const newest = JSON.parse((await (await get('?limit=1')).text()).split('\n')[0]).version
  const number = version === 'latest' ? newest : Number(version)

  // All of it is read before anything is deleted: a version that does not come whole changes nothing.
  const expect = { count: 0 }
  const wanted = []
  const skipped = []
  let header
  for await (const record of records(await get(`/${number}`), expect)) {
    if (record.header) header = record.header
    else if (record.error) skipped.push({ store: record.store, key: record.key, name: record.name, error: record.error })
    else wanted.push(Object.assign(record, { proof: await proof(record.value) }))
    if (!record.header) onProgress({ phase: 'read', records: expect.count })
  }
  signal?.throwIfAborted()
  await remove(indexedDB, database, signal)
  const db = await build(indexedDB, database, header, mode === 'oplog')
  try {
    const PAGE = 500
    for (let at = 0; at < wanted.length; at += PAGE) {
      if (signal?.aborted) {
        // Half a database is worse than none.
        db.close()
        await remove(indexedDB, database)
        throw signal.reason
      }
      const page = wanted.slice(at, at + PAGE)
      const tx = db.transaction([...new Set(page.map(({ store }) => store))], 'readwrite')
      const done = completed(tx)
      for (const { store, key, value } of page) {
        const target = tx.objectStore(store)
        if (target.keyPath === null) target.put(value, key)
        else target.put(value)
      }
      await done
      onProgress({ phase: 'write', records: Math.min(at + PAGE, wanted.length), of: wanted.length })
    }
    if (header.stores.length) {
      const tx = db.transaction(header.stores.map(({ name }) => schemaName(name)), 'readwrite')
      const done = completed(tx)
      for (const { name, keyGenerator } of header.stores) setGenerator(tx.objectStore(schemaName(name)), keyGenerator)
      await done
    }
    await verify(db, header, wanted, onProgress)
    const changes = number < newest ? await differences(await get(`/${newest}`), wanted, skipped, now()) : []
    const seenNow = []
    if (mode === 'scan') for (const { store, key, value } of wanted) seenNow.push([{ hash: digest(await encode(value, options)) }, [store, key]])
    const home = mode === 'scan' ? await openOwn(indexedDB, `nifi-idb:${database}`) : db
    await transaction(home, [META, OPS, SEEN], 'readwrite', async (tx) => {
      const [meta, ops, seen] = [META, OPS, SEEN].map((name) => tx.objectStore(name))
      const old = await result(meta.get('state'))
      const last = await result(ops.openKeyCursor(null, 'prev'))
      const lastKey = Math.max(last?.key ?? 0, old?.lastKey ?? 0)
      ops.clear()
      seen.clear()
      const state = newLife({ source, random, lastKey, full: false, base: newest })
      state.databaseVersion = header.databaseVersion
      for (const { name } of skipped) state.stale[name] = newest
      for (const change of changes) ops.add(change)
      for (const [row, key] of seenNow) seen.put(row, key)
      meta.put(state, 'state')
    })
    if (home !== db) home.close()
    return { version: number, head: newest, records: wanted.length, skipped, changes: changes.length }
  } finally {
    db.close()
  }
}

/** Reads everything back and compares. */
async function verify(db, header, wanted, onProgress) {
  let at = 0
  for (const { store, key, proof: expected } of wanted) {
    const value = await result(db.transaction(store).objectStore(store).get(key))
    if (expected !== (await proof(value))) throw Object.assign(new Error('a record that was written is not what was sent'), { store, key })
    if (++at % 500 === 0) onProgress({ phase: 'verify', records: at, of: wanted.length })
  }
  for (const { name } of header.stores) {
    const store = schemaName(name)
    const count = await result(db.transaction(store).objectStore(store).count())
    if (count !== wanted.filter((record) => record.store === store).length) throw new Error('there are more records than were sent')
  }
}

/** What makes of the newest version the one that was restored. */
async function differences(response, wanted, skipped, at) {
  const restored = new Map(wanted.map((record) => [record.name, record]))
  const ops = []
  for await (const record of records(response, { count: 0 })) {
    if (record.header || skipped.some(({ name }) => name === record.name)) continue
    const { store, key, name } = record
    const mine = restored.get(name)
    restored.delete(name)
    if (!mine) ops.push({ store, key, at, gone: true })
    else if (record.error || (await proof(record.value)) !== mine.proof) ops.push({ store, key, at, value: mine.value })
  }
  for (const { store, key, value } of restored.values()) ops.push({ store, key, at, value })
  return ops
}


// Gives a database back: deletes what is there, makes it again from a stored version, and proves it.

import { decode, decodeJson } from './decode.js'
import { digest } from './digest.js'
import { encode, encodeKey } from './encode.js'
import { environment } from './env.js'
import { newLife, recordName } from './home.js'
import { rehearse } from './rehearse.js'
import { proof, replace } from './replace.js'
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

/** The database's version and its object stores, as IndexedDB takes them. */
const schemaOf = ({ databaseVersion, stores }) => ({
  databaseVersion,
  stores: stores.map(({ name, keyPath, indexes = [], ...store }) => ({
    ...store,
    name: schemaName(name),
    keyPath: schemaPath(keyPath ?? null),
    indexes: indexes.map(({ name, keyPath, ...index }) => ({ ...index, name: schemaName(name), keyPath: schemaPath(keyPath) })),
  })),
})

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
  const { database, mode = 'oplog', version = 'latest', signal, onProgress = () => {} } = options
  const env = environment(options.env)
  const headers = typeof options.headers === 'function' ? await options.headers() : options.headers
  const root = versions(options)
  const get = async (path) => {
    const response = await env.fetch(root + path, { headers, signal })
    if (!response.ok) throw new Error(response.headers.get('sync.error') ?? `HTTP ${response.status}`)
    return response
  }
  const { version: newest, state: id } = JSON.parse((await (await get('?limit=1')).text()).split('\n')[0])
  const number = version === 'latest' ? newest : Number(version)

  // All that is needed is read before anything is deleted: a version that does not come whole changes nothing.
  const expect = { count: 0 }
  const wanted = []
  const skipped = []
  let header
  for await (const record of records(await get(`/${number}`), expect)) {
    if (record.header) header = schemaOf(record.header)
    else if (record.error) skipped.push({ store: record.store, key: record.key, name: record.name, error: record.error })
    else wanted.push(Object.assign(record, { proof: await proof(record.value) }))
    if (!record.header) onProgress({ phase: 'read', records: expect.count })
  }
  // What cannot be made here is known before anything is deleted.
  const refused = new Set()
  for (const { store, key, name, error } of await rehearse(env.indexedDB, database, header, wanted, { signal, onProgress })) {
    refused.add(name)
    skipped.push({ store, key, name, error })
  }
  const made = wanted.filter(({ name }) => !refused.has(name))
  const changes = number < newest ? await differences(await get(`/${newest}`), made, skipped, env.now()) : []
  const rows = []
  if (mode === 'scan') for (const { store, key, value } of made) rows.push([{ hash: digest(await encode(value, options)) }, [store, key]])
  const begin = (life) => {
    const named = id ? { version: newest, state: id } : undefined
    const state = { ...newLife({ ...life, full: false, base: newest, named }), databaseVersion: header.databaseVersion }
    for (const { name } of skipped) state.stale[name] = newest
    return state
  }
  // No tab sends meanwhile.
  await env.lock(`nifi-idb:${database}`, async () => {
    signal?.throwIfAborted()
    await replace(env, { ...options, mode, onProgress }, { header, wanted: made, changes, rows, begin })
  })
  return { version: number, head: newest, records: made.length, skipped, changes: changes.length }
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


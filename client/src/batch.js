// From operations to a batch of bounded size, and from everything to a full one.

import { blake3 } from './blake3.js'
import { encode, encodeKey, encodeNow } from './encode.js'
import { greatestKey, recordName } from './home.js'
import { META, OPS, eachRecord, result, transaction } from './idb.js'
import { originText, schemaText } from './schema.js'
import { string } from './text.js'

const bytes = new TextEncoder()

/** 128 bits of the digest of a text. */
export const digest = (text) => blake3(bytes.encode(text), 4)

const end = (count) => `{"op":"end","count":${count}}\n`
const finish = (header, lines) => [`{${header}}\n`, ...lines, end(lines.length)].join('')

/** The object stores of the list that the database has. */
export const present = (db, stores) => stores.filter((name) => db.objectStoreNames.contains(name))

/** What a record is based on, where that is not the batch's base. */
const knownBase = ({ stale, ahead }, name) => (name in stale ? stale[name] : ahead[name])

/** The next automatic keys, as far as operations tell: a record that is gone used its key up. */
export function generated(ops, known) {
  const next = { ...known }
  for (const { store, key } of ops) if (typeof key === 'number') next[store] = Math.max(next[store] ?? 1, Math.floor(key) + 1)
  return next
}

/** The base of a change, as a member; empty if the batch's own holds. */
function baseMember(base) {
  if (base === undefined) return ''
  return `,"base":${base === null ? '{"absent":true}' : typeof base === 'number' ? base : `{"value":${base}}`}`
}

/**
 * The line of an operation; `text` is its value's. A value that cannot be written takes its number all the same: its line
 * has no value, and is rejected by the sidecar, which keeps what it had.
 */
function line({ store, key, at, gone }, text, base) {
  const op = gone ? 'delete' : 'put'
  const value = gone || text === null ? '' : `,"value":${text}`
  return `{"op":"${op}","store":${string(store)},"key":${encodeKey(key)}${value},"at":${at}${baseMember(base)}}\n`
}

async function textOf(value, options, failed) {
  try {
    return await encode(value, options)
  } catch (error) {
    failed(error)
    return null
  }
}

/**
 * The next operations, as a delta. Without any: an empty batch without numbers, which only asks what changed.
 *
 * Gives `{ text, ops, first, last, values, epoch }`; `values` are the texts by record, for what is made on top of them.
 */
export async function deltaBatch(app, home, state, options, failed) {
  const { maxBatchOps, maxBatchBytes } = options
  const after = IDBKeyRange.lowerBound(state.lastKey, true)
  let [keys, ops] = await transaction(home, OPS, 'readonly', (tx) => {
    const store = tx.objectStore(OPS)
    return Promise.all([result(store.getAllKeys(after, maxBatchOps)), result(store.getAll(after, maxBatchOps))])
  })
  // Only a lost store of ours could leave a hole; numbers go on without one.
  const hole = keys.findIndex((key, at) => key !== keys[0] + at)
  if (hole > 0) keys = keys.slice(0, hole)
  if (keys.length && keys[0] !== state.lastKey + 1) {
    await transaction(home, META, 'readwrite', (tx) => {
      state.offset += keys[0] - 1 - state.lastKey
      state.lastKey = keys[0] - 1
      tx.objectStore(META).put(state, 'state')
    })
  }
  const lines = []
  const values = new Map()
  let size = 0
  for (let i = 0; i < keys.length && (size < maxBatchBytes || i === 0); i++) {
    const op = ops[i]
    const name = recordName(op.store, encodeKey(op.key))
    const text = op.gone ? null : await textOf(op.value, options, (error) => failed(op, error))
    const base = values.has(name) ? values.get(name) : op.base !== undefined ? op.base : knownBase(state, name)
    const made = line(op, text, base)
    if (i > 0 && size + made.length > maxBatchBytes) break
    values.set(name, op.gone ? null : (text ?? undefined))
    size += made.length
    lines.push(made)
  }
  const stores = present(app, options.stores)
  const header = await transaction(app, stores, 'readonly', (tx) => schemaText(tx, stores, generated(ops, state.generators)))
  const { source, epoch } = state
  const first = state.lastKey + 1 - state.offset
  const last = first + lines.length - 1
  const origin = { source, base: state.base, mode: 'delta', ...(lines.length ? { epoch, first, last } : {}) }
  const text = finish(header + originText(origin), lines)
  return { text, epoch, values, first, last, count: lines.length, ops: ops.slice(0, lines.length) }
}

/**
 * All records, as a full batch. It has a number of its own, behind that of every operation that it holds.
 */
export async function fullBatch(app, home, state, options, failed) {
  const stores = present(app, options.stores)
  const same = app === home
  const scope = same ? [...stores, OPS] : stores
  const read = async (tx) => greatestKey(tx, state.lastKey)
  // Without the client's stores in the same database, what is written in between is found by the next scan.
  let upTo = same ? 0 : await transaction(home, OPS, 'readonly', read)
  const records = []
  const ops = []
  const header = await transaction(app, scope, 'readonly', async (tx) => {
    if (same) {
      upTo = await read(tx)
      ops.push(...(await result(tx.objectStore(OPS).getAll())))
    }
    for (const name of stores) {
      await eachRecord(tx.objectStore(name), (key, value) => records.push({ store: name, key, ...tryNow(value, options) }))
    }
    return schemaText(tx, stores, generated(ops, state.generators))
  })
  if (!same) ops.push(...(await transaction(home, OPS, 'readonly', (tx) => result(tx.objectStore(OPS).getAll()))))
  const clocks = new Map()
  for (const op of ops) {
    const name = recordName(op.store, encodeKey(op.key))
    clocks.set(name, { at: op.at, base: clocks.has(name) ? clocks.get(name).base : op.base })
  }
  const lines = []
  const digests = new Map()
  for (const record of records) {
    const { store, key } = record
    if (record.text === undefined) record.text = await textOf(record.value, options, (error) => failed(record, error))
    record.value = undefined
    if (record.text === null) continue
    const keyText = encodeKey(key)
    const name = recordName(store, keyText)
    if (!same) digests.set(name, (record.hash = digest(record.text)))
    const { at, base = knownBase(state, name) } = clocks.get(name) ?? {}
    const clock = at === undefined ? '' : `,"at":${at}`
    lines.push(`{"op":"put","store":${string(store)},"key":${keyText},"value":${record.text}${clock}${baseMember(base)}}\n`)
  }
  const number = upTo - state.offset + 1
  await transaction(home, META, 'readwrite', (tx) => {
    state.offset -= 1
    tx.objectStore(META).put(state, 'state')
  })
  const { source, epoch, base } = state
  const text = finish(header + originText({ source, epoch, first: number, last: number, base, mode: 'full' }), lines)
  const databaseVersion = app.version
  return { text, epoch, full: true, last: number, upTo, count: lines.length, ops, records, digests, databaseVersion }
}

/** The text of a value where that needs no waiting, else the value itself. */
function tryNow(value, options) {
  try {
    const text = encodeNow(value, options)
    return text === undefined ? { value } : { text }
  } catch {
    return { value }
  }
}

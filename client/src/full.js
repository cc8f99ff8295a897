// From everything to a full batch: when a life begins, and when the sidecar asks for it.

import { isPending } from './apply.js'
import { baseMember, finish, generated, knownBase, present, textOf } from './batch.js'
import { encodeKey, encodeNow } from './encode.js'
import { changeState, greatestKey, recordName } from './home.js'
import { OPS, eachRecord, result, transaction } from './idb.js'
import { originText, schemaText } from './schema.js'
import { string } from './text.js'

/**
 * All records, as a full batch. It has a number of its own, behind that of every operation that it holds. Of one that was taken,
 * here or in a tab that is gone, and waits for its acknowledgement: what is known of it. `undefined` if the row is not `state` any more.
 */
export async function fullBatch(app, home, state, options, failed, client) {
  const { taken, epoch } = state
  if (taken?.full && !options.twoWay) {
    const { kept } = client
    if (kept?.last === taken.last && kept.epoch === epoch) return kept
    const range = IDBKeyRange.upperBound(taken.upTo)
    const ops = await transaction(home, OPS, 'readonly', (tx) => result(tx.objectStore(OPS).getAll(range)))
    return { ...taken, epoch, ops, digests: new Map(), acknowledge }
  }
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
  // One like this was sent, and its answer was lost. If it is in, it is what these records are based on: the sidecar knows that, if
  // it is told versions, but not if it is told values.
  const isInDoubt = state.inDoubt && state.base > 0
  // The state of a version is said once: if it is another there, the whole batch is refused.
  let { named } = state
  const lines = []
  const digests = new Map()
  for (const record of records) {
    const { store, key } = record
    if (record.text === undefined) record.text = await textOf(record.value, options, (error) => failed(record, error))
    record.value = undefined
    const keyText = encodeKey(key)
    const name = recordName(store, keyText)
    // One that cannot be written has a line without a value: the sidecar keeps what it had.
    const isLost = record.text === null
    if (!same && !isLost) digests.set(name, (record.hash = options.digest(record.text)))
    let { at, base } = clocks.get(name) ?? {}
    if (base === undefined || (isInDoubt && typeof base !== 'number')) base = lineBase(state, name)
    const clock = at === undefined ? '' : `,"at":${at}`
    lines.push(`{"op":"put","store":${string(store)},"key":${keyText}${isLost ? '' : `,"value":${record.text}`}${clock}${baseMember(base, named)}}\n`)
    if (base === named?.version) named = undefined
  }
  const number = upTo - state.offset + 1
  // Meanwhile there may have been no room: then what was read is too old.
  const now = await changeState(home, (now) => Object.assign(now, { offset: now.offset - 1, inDoubt: true }), state)
  if (!now) return undefined
  Object.assign(state, now)
  const { source, base } = state
  const origin = { source, epoch, first: number, last: number, base, named: state.named, mode: 'full' }
  const text = finish(header + originText(origin), lines)
  const databaseVersion = app.version
  return { text, epoch, full: true, last: number, upTo, count: lines.length, ops, records, digests, databaseVersion, acknowledge }
}

/**
 * What a record is based on, where its operation does not say it and it is not the batch's base: what one that was dropped said,
 * or what an earlier life had applied.
 */
function lineBase(state, name) {
  const { [name]: base = knownBase(state, name) } = state.dropped ?? {}
  return base === undefined && !state.base ? state.basis || undefined : base
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

/** What was written while a full batch was under way is made on top of what that holds. */
async function baseOnFull(ops, { records, upTo }) {
  if (!records) return
  const range = IDBKeyRange.lowerBound(upTo, true)
  const [keys, later] = await Promise.all([result(ops.getAllKeys(range)), result(ops.getAll(range))])
  if (!keys.length) return
  const texts = new Map(records.map(({ store, key, text }) => [recordName(store, encodeKey(key)), text]))
  const first = new Set()
  later.forEach((op, at) => {
    const name = recordName(op.store, encodeKey(op.key))
    const known = first.has(name) || texts.get(name) === null
    if (!known) ops.put({ ...op, base: texts.get(name) ?? null }, keys[at])
    first.add(name)
  })
}

/** Takes away what a full batch held, once that is durable; inside a transaction. */
async function acknowledge(ops, state, batch, ack) {
  // A full batch says nothing of what was deleted since the last one: those deletions are sent after it.
  const range = IDBKeyRange.upperBound(batch.upTo)
  const last = new Map()
  for (const op of await result(ops.getAll(range))) last.set(recordName(op.store, encodeKey(op.key)), op)
  ops.delete(range)
  const deletions = [...last.values()].filter((op) => op.gone)
  await baseOnFull(ops, batch)
  await Promise.all(deletions.map(async (op) => (await isPending(ops, op)) || ops.add(op)))
  Object.assign(state, { full: false, lastKey: batch.upTo, fresh: false, taken: undefined, dropped: undefined, inDoubt: undefined })
  // Those that came while the batch was under way follow it: its number is the one before theirs.
  state.offset = batch.upTo - ack.checkpoint
  state.databaseVersion = batch.databaseVersion
}

// From operations to a batch of bounded size.

import { encode, encodeKey } from './encode.js'
import { changeState, recordName } from './home.js'
import { OPS, result, transaction } from './idb.js'
import { originText, schemaText, versionText } from './schema.js'
import { string } from './text.js'

const end = (count) => `{"op":"end","count":${count}}\n`
export const finish = (header, lines) => [`{${header}}\n`, ...lines, end(lines.length)].join('')

/** The object stores of the list that the database has. */
export const present = (db, stores) => stores.filter((name) => db.objectStoreNames.contains(name))

/**
 * The base of a record, where it is not the batch's. What lay in an object store before that was listed has none: the batch's
 * base says nothing of it.
 */
export function knownBase({ stale, ahead, joining }, name) {
  const known = name in stale ? stale[name] : ahead[name]
  if (known !== undefined || !joining) return known
  return joining.some((store) => name.startsWith(recordName(store, ''))) ? null : undefined
}

/** The next automatic keys, as far as operations tell: a record that is gone used its key up. */
export function generated(ops, known) {
  const next = { ...known }
  for (const { store, key } of ops) if (typeof key === 'number') next[store] = Math.max(next[store] ?? 1, Math.floor(key) + 1)
  return next
}

/** The base of a change, as a member; empty if the batch's own holds. With `named` a version has its state. */
export function baseMember(base, named) {
  if (base === undefined) return ''
  return `,"base":${base === null ? '{"absent":true}' : typeof base === 'number' ? versionText(base, named) : `{"value":${base}}`}`
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

export async function textOf(value, options, failed) {
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
 * With `fromStart` it is an empty batch without a base, which asks for everything.
 *
 * Gives `{ text, ops, first, last, values, epoch }`; `values` are the texts by record, for what is made on top of them. `undefined`
 * if the row is not `state` any more.
 */
export async function deltaBatch(app, home, state, options, failed) {
  const { maxBatchOps, maxBatchBytes, fromStart } = options
  const after = IDBKeyRange.lowerBound(state.lastKey, true)
  let [keys, ops] = await transaction(home, OPS, 'readonly', (tx) => {
    const store = tx.objectStore(OPS)
    return fromStart ? [[], []] : Promise.all([result(store.getAllKeys(after, maxBatchOps)), result(store.getAll(after, maxBatchOps))])
  })
  // Only a lost store of ours could leave a hole; numbers go on without one.
  const hole = keys.findIndex((key, at) => key !== keys[0] + at)
  if (hole > 0) keys = keys.slice(0, hole)
  if (keys.length) {
    const skipped = keys[0] - 1 - state.lastKey
    // On the disk before it is sent: after a power cut a number would else come again, for something else.
    const now = await changeState(home, (now) => Object.assign(now, { offset: now.offset + skipped, lastKey: keys[0] - 1 }), state)
    if (!now) return undefined
    Object.assign(state, now)
  }
  const lines = []
  const values = new Map()
  let size = 0
  for (let i = 0; i < keys.length && (size < maxBatchBytes || i === 0); i++) {
    const op = ops[i]
    const name = recordName(op.store, encodeKey(op.key))
    const text = op.gone ? null : await textOf(op.value, options, (error) => failed(op, error))
    const base = op.base !== undefined ? op.base : values.has(name) ? values.get(name) : knownBase(state, name)
    const made = line(op, text, base)
    if (i > 0 && size + made.length > maxBatchBytes) break
    values.set(name, op.gone ? null : (text ?? undefined))
    size += made.length
    lines.push(made)
  }
  const stores = present(app, options.stores)
  const header = await transaction(app, stores, 'readonly', (tx) => schemaText(tx, stores, generated(ops, state.generators)))
  const { source, epoch, named } = state
  const first = state.lastKey + 1 - state.offset
  const last = first + lines.length - 1
  const origin = { source, named, base: fromStart ? 0 : state.base, mode: 'delta', ...(lines.length ? { epoch, first, last } : {}) }
  const text = finish(header + originText(origin), lines)
  return { text, epoch, values, first, last, count: lines.length, ops: ops.slice(0, lines.length) }
}

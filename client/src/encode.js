// Values and keys of IndexedDB in the project's one canonical form: src/indexeddb/value/mod.rs of the sidecar.

import { dom } from './dom.js'
import { ValueError, isLone, quote, string, toBase64 } from './text.js'

/** Brackets nest this deep. */
export const MAX_DEPTH = 512

const kind = (value) => Object.prototype.toString.call(value).slice(8, -1)
// An index of an array; any other name is a named member.
const isIndex = (name) => String(name >>> 0) === name && name >>> 0 < 4294967295

/** One pass over one value. `seen` counts the places of each object, `ids` numbers those with several. */
class Writer {
  constructor(options) {
    this.options = options
    this.seen = new Map()
    this.ids = null
    this.next = 1
    this.shared = false
    this.depth = 0
    this.wanted = []
  }

  /** `text` is made by `write` inside `levels` more brackets. */
  inside(levels, write) {
    this.depth += levels
    if (this.depth > MAX_DEPTH) throw new ValueError('depth', `nested deeper than ${MAX_DEPTH}`)
    const text = write()
    this.depth -= levels
    return text
  }

  value(value) {
    switch (typeof value) {
      case 'string':
        return string(value)
      case 'number':
        return number(value)
      case 'boolean':
        return value ? 'true' : 'false'
      case 'undefined':
        return '{"~undefined":true}'
      case 'bigint':
        return `{"~bigint":"${value}"}`
      case 'object':
        return value === null ? 'null' : this.object(value)
      default:
        throw new ValueError('type', `IndexedDB stores no ${typeof value}`)
    }
  }

  object(value) {
    if (this.ids === null) {
      // First try: most values share nothing.
      const count = (this.seen.get(value) ?? 0) + 1
      this.seen.set(value, count)
      if (count > 1) {
        this.shared = true
        return 'null'
      }
      return this.content(value)
    }
    if (this.seen.get(value) < 2) return this.content(value)
    const known = this.ids.get(value)
    if (known) return `{"~ref":${known}}`
    const id = this.next++
    this.ids.set(value, id)
    return this.inside(2, () => `{"~id":[${id},${this.content(value)}]}`)
  }

  content(value) {
    if (Array.isArray(value)) return this.inside(1, () => this.array(value))
    if (ArrayBuffer.isView(value)) return this.inside(2, () => this.view(value))
    switch (kind(value)) {
      case 'Object':
        return this.inside(1, () => this.members(value))
      case 'Date': {
        const time = value.getTime()
        return `{"~date":${Number.isNaN(time) ? 'null' : time}}`
      }
      case 'RegExp':
        return `{"~regexp":[${string(value.source)},"${[...value.flags].sort().join('')}"]}`
      case 'Boolean':
      case 'Number':
      case 'String':
      case 'BigInt':
        return `{"~boxed":${this.value(value.valueOf())}}`
      case 'Map': {
        const pair = ([key, item]) => `[${this.value(key)},${this.value(item)}]`
        return this.inside(3, () => `{"~map":[${Array.from(value, pair).join()}]}`)
      }
      case 'Set':
        return this.inside(2, () => `{"~set":[${Array.from(value, (item) => this.value(item)).join()}]}`)
      case 'ArrayBuffer': {
        const max = value.resizable ? `,"max":${value.maxByteLength}` : ''
        return `{"~buffer":{"data":"${toBase64(new Uint8Array(value))}"${max}}}`
      }
      case 'Error':
      case 'DOMException':
      case 'QuotaExceededError':
        return this.inside(2, () => this.error(value))
      case 'Blob':
      case 'File':
        return this.blob(value)
      case 'CryptoKey':
        // Never the key's bytes.
        return `{"~opaque":{"algorithm":{"name":${string(value.algorithm.name)}},"kind":"CryptoKey","reason":"redacted"}}`
      default:
        return this.inside(3, () => dom(value, kind(value), this))
    }
  }

  array(array) {
    const { length } = array
    const names = Object.keys(array)
    if (names.length === length && (length === 0 || names[length - 1] === String(length - 1))) {
      let text = '['
      for (let i = 0; i < length; i++) text += (i ? ',' : '') + this.value(array[i])
      return text + ']'
    }
    return this.inside(3, () => {
      const items = names.filter(isIndex).map((name) => `[${name},${this.value(array[name])}]`)
      const rest = names.filter((name) => !isIndex(name)).sort()
      const members = rest.map((name) => `[${string(name)},${this.value(array[name])}]`)
      return `{"~array":{"items":[${items.join()}],"length":${length},"members":[${members.join()}]}}`
    })
  }

  members(object) {
    // The default order of sort() is that of UTF-16 units.
    const names = Object.keys(object).sort()
    if (names.some(isLone)) {
      const entry = (name) => `[${string(name)},${this.value(object[name])}]`
      return this.inside(2, () => `{"~entries":[${names.map(entry).join()}]}`)
    }
    let text = '{'
    for (let i = 0; i < names.length; i++) {
      const name = names[i]
      text += (i ? ',' : '') + quote(name[0] === '~' ? '~' + name : name) + ':' + this.value(object[name])
    }
    return text + '}'
  }

  view(view) {
    const type = kind(view)
    const { byteOffset, byteLength } = view
    const length = isTracking(view) ? '' : `,"length":${view.length ?? byteLength}`
    return `{"~view":{"buffer":${this.value(view.buffer)}${length},"offset":${byteOffset},"type":"${type}"}}`
  }

  error(error) {
    const members = []
    if (Object.hasOwn(error, 'cause')) members.push(`"cause":${this.value(error.cause)}`)
    if (error.message !== '') members.push(`"message":${string(String(error.message))}`)
    // Only Firefox keeps it apart.
    members.push(`"name":${string(error.name === 'AggregateError' ? 'Error' : String(error.name))}`)
    if (this.options.stacks !== false && kind(error) === 'Error' && typeof error.stack === 'string') members.push(`"stack":${string(error.stack)}`)
    return `{"~error":{${members.join()}}}`
  }

  blob(blob) {
    const bytes = this.options.bytes?.get(blob)
    if (!bytes) {
      this.wanted.push(blob)
      return 'null'
    }
    const { size, type, name, lastModified } = blob
    const data = size > this.options.maxBlobBytes ? '' : `"data":"${toBase64(bytes)}",`
    const file = name === undefined ? '' : `"lastModified":${Math.trunc(lastModified)},"name":${string(name)},`
    return `{"~blob":{"blake3":"${this.options.blake3(bytes)}",${data}${file}"size":${size},"type":${string(type)}}}`
  }
}

function number(value) {
  if (Number.isFinite(value) && !Object.is(value, -0)) return String(value)
  return `{"~number":"${Object.is(value, -0) ? '-0' : value}"}`
}

/**
 * Whether a view follows the length of its resizable buffer. Nothing says so; it shows when the buffer changes, which it
 * does here for a moment.
 */
function isTracking(view) {
  const { buffer, byteLength, byteOffset } = view
  if (!buffer.resizable) return false
  const size = view.BYTES_PER_ELEMENT ?? 1
  const whole = buffer.byteLength
  if (whole - byteOffset - byteLength >= size) return false
  if (whole + size <= buffer.maxByteLength) {
    buffer.resize(whole + size)
    const grew = view.byteLength > byteLength
    buffer.resize(whole)
    return grew
  }
  if (byteLength < size) return false
  const saved = new Uint8Array(buffer).slice()
  buffer.resize(whole - size)
  let left = -1
  try {
    if (byteLength > size || byteOffset > 0) left = view.byteOffset === byteOffset ? view.byteLength : -1
  } catch {
    // A DataView beyond its buffer.
  }
  buffer.resize(whole)
  new Uint8Array(buffer).set(saved)
  return left === byteLength - size
}

/** Writes one value; `wanted` are the blobs whose bytes are missing, then the text is none. */
function write(value, options) {
  let writer = new Writer(options)
  let text = writer.value(value)
  if (writer.shared) {
    const { seen } = writer
    writer = new Writer(options)
    writer.seen = seen
    writer.ids = new Map()
    text = writer.value(value)
  }
  return { text, wanted: writer.wanted }
}

const MAX_BLOB_BYTES = 8 * 1024 * 1024

/**
 * The canonical text of a value, at once. `undefined` if it holds Blobs: their bytes only come later.
 */
export function encodeNow(value, options = {}) {
  const { text, wanted } = write(value, { maxBlobBytes: MAX_BLOB_BYTES, ...options })
  return wanted.length ? undefined : text
}

/**
 * The canonical text of a value. A Blob above `maxBlobBytes` is named by its digest, without its bytes.
 */
export async function encode(value, options = {}) {
  const all = { maxBlobBytes: MAX_BLOB_BYTES, ...options }
  const { text, wanted } = write(value, all)
  if (!wanted.length) return text
  const { blake3 } = await import('./blake3.js')
  const bytes = new Map()
  for (const blob of wanted) {
    // Also of one that is too large to be sent: its digest needs them.
    if (!bytes.has(blob)) bytes.set(blob, new Uint8Array(await blob.arrayBuffer()))
  }
  return write(value, { ...all, bytes, blake3 }).text
}

/** The canonical text of a key. */
export function encodeKey(key) {
  if (typeof key === 'number') return number(key === 0 ? 0 : key)
  if (typeof key === 'string') return string(key)
  if (Array.isArray(key)) return '[' + key.map(encodeKey).join() + ']'
  if (key instanceof ArrayBuffer) return `{"~binary":"${toBase64(new Uint8Array(key))}"}`
  if (ArrayBuffer.isView(key)) {
    return `{"~binary":"${toBase64(new Uint8Array(key.buffer, key.byteOffset, key.byteLength))}"}`
  }
  if (kind(key) === 'Date') return `{"~date":${key.getTime()}}`
  throw new ValueError('invalid-key', 'IndexedDB has no such key')
}

// Canonical text back to values. It reads what the sidecar wrote, and refuses what this browser cannot make.

import { makeDom } from './dom.js'
import { ValueError, fromBase64, fromUtf16 } from './text.js'

const ERRORS = ['Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError']

const invalid = (what) => new ValueError('invalid-tag', what)
const cannot = (what) => new ValueError('unsupported', `this browser cannot make ${what}`)

/** The word of a tagged value; undefined for any other object. */
function tagOf(object) {
  const names = Object.keys(object)
  if (names.length !== 1 || names[0][0] !== '~' || names[0][1] === '~') return undefined
  return names[0]
}

function define(object, name, value) {
  // An assignment to __proto__ would set the prototype.
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true })
  } else object[name] = value
}

class Reader {
  constructor(sorted) {
    this.sorted = sorted
    this.ids = new Map()
    this.id = 0
  }

  /** Keeps an object under the id that it was announced with, before what is in it is read: it may refer to it. */
  keep(object) {
    if (this.id) this.ids.set(this.id, object)
    this.id = 0
    return object
  }

  value(json) {
    if (typeof json !== 'object' || json === null) return json
    if (Array.isArray(json)) {
      const array = this.keep(new Array(json.length))
      for (let i = 0; i < json.length; i++) array[i] = this.value(json[i])
      return array
    }
    const tag = tagOf(json)
    if (tag) return this.tagged(tag, json[tag])
    const object = this.keep({})
    const names = Object.keys(json)
    // References are numbered in the order of the text; JavaScript puts names like 9 before all others.
    if (this.sorted) names.sort()
    for (const name of names) define(object, name[0] === '~' ? name.slice(1) : name, this.value(json[name]))
    return object
  }

  tagged(tag, it) {
    switch (tag) {
      case '~undefined':
        return undefined
      case '~number':
        return Number(it)
      case '~bigint':
        return BigInt(it)
      case '~utf16':
        return fromUtf16(it)
      case '~id': {
        this.id = it[0]
        return this.value(it[1])
      }
      case '~ref':
        if (!this.ids.has(it)) throw new ValueError('dangling-reference', 'a reference to nothing')
        return this.ids.get(it)
      case '~date':
        return this.keep(new Date(it === null ? NaN : it))
      case '~regexp':
        return this.keep(new RegExp(this.value(it[0]), it[1]))
      case '~boxed':
        return this.keep(Object(this.value(it)))
      case '~entries': {
        const object = this.keep({})
        for (const [name, value] of it) define(object, this.value(name), this.value(value))
        return object
      }
      case '~array': {
        const array = this.keep([])
        array.length = it.length
        for (const [index, value] of it.items ?? []) array[index] = this.value(value)
        for (const [name, value] of it.members ?? []) define(array, this.value(name), this.value(value))
        return array
      }
      case '~map': {
        const map = this.keep(new Map())
        for (const [key, value] of it) map.set(this.value(key), this.value(value))
        return map
      }
      case '~set': {
        const set = this.keep(new Set())
        for (const value of it) set.add(this.value(value))
        return set
      }
      case '~buffer':
        return this.keep(buffer(it))
      case '~binary':
        return fromBase64(it).buffer
      case '~view':
        return this.view(it)
      case '~error':
        return this.error(it)
      case '~blob':
        return this.keep(this.blob(it))
      case '~dom': {
        const { id } = this
        this.id = 0
        const fields = {}
        for (const name of Object.keys(it)) fields[name] = this.value(it[name])
        this.id = id
        const made = makeDom(fields)
        if (!made) throw cannot(`a ${it.kind}`)
        return this.keep(made)
      }
      case '~opaque':
        throw cannot(`a ${it.kind}: it was not sent`)
      default:
        throw new ValueError('unknown-tag', 'a tagged value of no known kind')
    }
  }

  view({ type, offset, length, buffer: of }) {
    const Class = globalThis[type]
    if (typeof Class?.prototype !== 'object' || !(type === 'DataView' || Class.BYTES_PER_ELEMENT)) throw cannot(`a ${type}`)
    const { id } = this
    this.id = 0
    const buffer = this.value(of)
    if (!(buffer instanceof ArrayBuffer)) throw invalid('a view on what is no buffer')
    this.id = id
    return this.keep(length == null ? tracking(Class, buffer, offset) : new Class(buffer, offset, length))
  }

  error({ name, message, stack, cause }) {
    const text = message == null ? undefined : this.string(message)
    const type = this.string(name)
    let error
    if (ERRORS.includes(type) || type === 'AggregateError') error = new globalThis[ERRORS.includes(type) ? type : 'Error'](text)
    else if (type === 'QuotaExceededError' && globalThis[type]) error = new globalThis[type](text)
    else error = new DOMException(text, type)
    this.keep(error)
    const hidden = { configurable: true, enumerable: false, writable: true }
    // Where the sender had none, ours would be this place's.
    Object.defineProperty(error, 'stack', { ...hidden, value: stack == null ? undefined : this.string(stack) })
    if (cause !== undefined) Object.defineProperty(error, 'cause', { ...hidden, value: this.value(cause) })
    return error
  }

  blob({ data, type, name, lastModified }) {
    if (data == null) throw new ValueError('no-bytes', 'a Blob whose bytes were too many to be sent')
    const bytes = [fromBase64(data)]
    const options = { type: this.string(type ?? '') }
    return name == null ? new Blob(bytes, options) : new File(bytes, this.string(name), { ...options, lastModified })
  }

  /** A string in its place inside a tag, where it has no identity. */
  string(json) {
    return typeof json === 'string' ? json : this.value(json)
  }
}

/** A view that follows its buffer's length. Made while that is a multiple of any element, as some engines want. */
function tracking(Class, buffer, offset) {
  const bytes = new Uint8Array(buffer).slice()
  buffer.resize(offset)
  const view = new Class(buffer, offset)
  buffer.resize(bytes.length)
  new Uint8Array(buffer).set(bytes)
  return view
}

function buffer({ data, max }) {
  const bytes = fromBase64(data)
  if (max == null) return bytes.buffer
  const buffer = new ArrayBuffer(bytes.length, { maxByteLength: max })
  if (!buffer.resizable) throw cannot('a resizable ArrayBuffer')
  new Uint8Array(buffer).set(bytes)
  return buffer
}

/** The value of parsed canonical JSON. `references`: whether there may be `~ref` in it. */
export const decodeJson = (json, references = true) => new Reader(references).value(json)

/** The value of canonical text. */
export const decode = (text) => decodeJson(JSON.parse(text), text.includes('"~ref"'))

// Every kind of value and of key that IndexedDB stores, and what makes two values the same.

/** `[name, make]`; a kind that this browser has not got is left out. */
export function values() {
  const kinds = [
    ['undefined', () => undefined],
    ['null', () => null],
    ['booleans', () => [true, false]],
    ['numbers', () => [0, -1, 1.5, 5e-324, 1e21, 1.7976931348623157e308, 2 ** 53, 4294967295, 0.1]],
    ['special numbers', () => [-0, NaN, Infinity, -Infinity]],
    ['bigints', () => [0n, -5n, 123456789012345678901234567890n]],
    ['strings', () => ['', 'a', '"\\/', '${x} #{y}', '\0\x01\b\t\n\x1f\x7f\x80', 'é 名前 😀 \u2028 \ufeff \uffff']],
    ['lone surrogates', () => ['\ud800', 'a\udc00b', '\udc00\ud800', '\ud800😀']],
    ['dates', () => [new Date(0), new Date(-1), new Date(1700000000123), new Date(8.64e15), new Date(NaN)]],
    ['boxed', () => [Object(true), Object(1.5), Object(-0), Object('text'), Object(5n)]],
    ['regexps', () => [/a\d$/gimsuy, /(?:)/, /[\/"\\]/v, /x/d]],
    ['arrays', () => [[], [1, [2, [3]]], [undefined, null]]],
    ['holes', () => Object.assign([1, , 3, ,], {})],
    ['a sparse array', () => Object.assign([], { 1000: 'end' })],
    ['named members', () => Object.assign([1], { foo: 1, '-1': 2, '01': 3 })],
    ['objects', () => ({ b: 1, a: { c: [] }, '': 0, 10: 'ten', 9: 'nine' })],
    ['names', () => JSON.parse('{"__proto__":{"x":1},"constructor":2,"~date":3,"~~x":4,"toString":5}')],
    ['lone names', () => ({ '\ud800': 1, 'a\udc00': { '\udfff': 2 }, '~x': 3 })],
    ['maps', () => new Map([[{ k: 1 }, 1], ['x', new Map()], [NaN, 3], [1, 4], ['1', 5], [null, undefined]])],
    ['sets', () => new Set(['b', 'a', undefined, null, NaN, [1], [1]])],
    ['shared references', () => {
      const shared = { s: [1] }
      return { b: shared, a: [shared, shared.s], c: new Map([[shared, shared]]) }
    }],
    ['references under names that sort', () => {
      const shared = { x: 1 }
      return { 9: [shared], 10: shared, a: shared }
    }],
    ['cycles', () => {
      const object = { name: 'self', list: [] }
      object.self = object
      object.list.push(object, object.list)
      object.map = new Map([['me', object]])
      return object
    }],
    ['buffers', () => [new ArrayBuffer(0), Uint8Array.of(0, 255, 128, 7).buffer]],
    ['a resizable buffer', () => {
      const buffer = new ArrayBuffer(4, { maxByteLength: 8 })
      new Uint8Array(buffer).set([1, 2, 3, 4])
      return buffer
    }],
    ...['Int8', 'Uint8', 'Uint8Clamped', 'Int16', 'Uint16', 'Int32', 'Uint32', 'Float16', 'Float32', 'Float64', 'BigInt64', 'BigUint64']
      .filter((name) => globalThis[`${name}Array`])
      .map((name) => [`${name}Array`, () => {
        const Class = globalThis[`${name}Array`]
        return new Class(Uint8Array.from({ length: 16 }, (_, at) => at * 7).buffer, Class.BYTES_PER_ELEMENT, 1)
      }]),
    ['a DataView', () => new DataView(Uint8Array.of(1, 2, 3, 4).buffer, 1, 2)],
    ['views on one buffer', () => {
      const buffer = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8).buffer
      return [new Uint8Array(buffer, 1, 2), new Uint16Array(buffer, 2, 3), buffer]
    }],
    ['views that track', () => {
      const buffer = new ArrayBuffer(6, { maxByteLength: 12 })
      return [new Uint16Array(buffer), new Uint8Array(buffer, 2), new Uint8Array(buffer, 0, 6), new DataView(buffer, 2)]
    }],
    ['views that track a full buffer', () => {
      const buffer = new ArrayBuffer(6, { maxByteLength: 6 })
      return [new Uint16Array(buffer), new Uint8Array(buffer, 0, 6)]
    }],
    ['errors', () => ['Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError'].map((name) => new globalThis[name](`m ${name}`))],
    ['an error without a message', () => new Error()],
    ['an error with a cause', () => new TypeError('outer', { cause: { code: 7, inner: new RangeError('inner') } })],
    ['a DOMException', () => new DOMException('gone', 'AbortError')],
    ['blobs', () => [new Blob([]), new Blob(['text'], { type: 'text/plain' }), new Blob([Uint8Array.of(0, 255, 254)])]],
    ['a file', () => new File(['content'], 'náme.txt', { type: 'text/x', lastModified: 1700000000123 })],
    ['one blob in two places', () => {
      const blob = new Blob(['twice'])
      return [blob, { blob }]
    }],
    ['a larger blob', () => new Blob([Uint8Array.from({ length: 300000 }, (_, at) => (at * 31) ^ (at >> 8))])],
    ['image data', () => new ImageData(Uint8ClampedArray.from({ length: 24 }, (_, at) => at), 3, 2)],
    ['geometry', () => [new DOMPoint(1, -0, NaN, 4), new DOMPointReadOnly(1, 2), new DOMRect(1, 2, -3, 4), new DOMRectReadOnly(0, 0, 1, 1)]],
    ['a quad', () => new DOMQuad({ x: 1, y: 2 }, { x: 3 }, { y: 4, w: 2 }, { z: 5 })],
    ['matrices', () => [new DOMMatrix(), new DOMMatrix([1, 2, 3, 4, 5, 6]), new DOMMatrixReadOnly(Array.from({ length: 16 }, (_, at) => at + 0.5))]],
    ['a large record', () => ({ text: 'x'.repeat(200000), list: Array.from({ length: 1000 }, (_, n) => ({ n })) })],
    ['nested deeply', () => {
      let value = 'bottom'
      for (let i = 0; i < 250; i++) value = i % 2 ? [value] : { v: value }
      return value
    }],
  ]
  return kinds
}

/** Every kind of key, in IndexedDB's order. */
export function keys() {
  const bytes = (...list) => Uint8Array.from(list).buffer
  return [
    -Infinity, -1.5, 0, 5e-324, 1, 2 ** 53 - 1, 1e308, Infinity,
    ...[-1, 0, 1700000000123, 8.64e15].map((time) => new Date(time)),
    '', '\0', 'A', 'a', 'a\0b', 'ab', 'b', '~', '\x7f', '\x80', 'é', '\u3fff', '\u4000', '名前', '\ud83d', '😀', '\ude00', '\uffff',
    bytes(), bytes(0), bytes(1, 2, 3), bytes(7, 7, 7, 7, 7, 7, 7, 7), bytes(255, 0, 127, 128),
    [], [1], [''], ['a', 2, new Date(5)], [[]], [[1, 'x'], bytes(1)], [[[]]],
  ]
}

const kind = (value) => Object.prototype.toString.call(value)

/** Says where two values differ, or nothing. Stacks of errors are no part of them. */
export async function difference(a, b, path = '', seen = new Map()) {
  const here = path || 'the value'
  if (typeof a !== typeof b) return `${here}: ${typeof a} and ${typeof b}`
  if (typeof a !== 'object' || a === null || b === null) return Object.is(a, b) ? undefined : `${here}: ${String(a)} and ${String(b)}`
  if (seen.has(a) || [...seen.values()].includes(b)) return seen.get(a) === b ? undefined : `${here}: shared differently`
  seen.set(a, b)
  if (kind(a) !== kind(b)) return `${here}: ${kind(a)} and ${kind(b)}`
  const parts = async (pairs) => {
    for (const [name, x, y] of pairs) {
      const found = await difference(x, y, `${path}.${name}`, seen)
      if (found) return found
    }
  }
  const fields = (...names) => parts(names.map((name) => [name, a[name], b[name]]))
  const numbered = (x, y) => parts([['count', x.length, y.length], ...x.map((item, at) => [at, item, y[at]])])
  switch (kind(a).slice(8, -1)) {
    case 'Date':
    case 'Number':
    case 'String':
    case 'Boolean':
    case 'BigInt':
      return Object.is(a.valueOf(), b.valueOf()) ? undefined : `${here}: ${a} and ${b}`
    case 'RegExp':
      return fields('source', 'flags')
    case 'Map':
      return numbered([...a].flat(), [...b].flat())
    case 'Set':
      return numbered([...a], [...b])
    case 'ArrayBuffer':
      return (await fields('resizable', 'maxByteLength')) ?? numbered([...new Uint8Array(a)], [...new Uint8Array(b)])
    case 'Error':
      return Object.hasOwn(a, 'cause') || Object.hasOwn(b, 'cause') ? fields('name', 'message', 'cause') : fields('name', 'message')
    case 'DOMException':
    case 'QuotaExceededError':
      return fields('name', 'message')
    case 'Blob':
      return (await fields('size', 'type')) ?? numbered([...new Uint8Array(await a.arrayBuffer())], [...new Uint8Array(await b.arrayBuffer())])
    case 'File':
      return (await fields('size', 'type', 'name', 'lastModified')) ?? ((await a.text()) === (await b.text()) ? undefined : `${here}: bytes`)
    case 'ImageData':
      return (await fields('width', 'height', 'colorSpace')) ?? numbered([...a.data], [...b.data])
    case 'DOMPoint':
    case 'DOMPointReadOnly':
      return fields('x', 'y', 'z', 'w')
    case 'DOMRect':
    case 'DOMRectReadOnly':
      return fields('x', 'y', 'width', 'height')
    case 'DOMQuad':
      return fields('p1', 'p2', 'p3', 'p4')
    case 'DOMMatrix':
    case 'DOMMatrixReadOnly':
      return (await fields('is2D')) ?? numbered([...a.toFloat64Array()], [...b.toFloat64Array()])
  }
  if (ArrayBuffer.isView(a)) {
    const before = await fields('byteOffset', 'byteLength', 'buffer')
    if (before || !a.buffer.resizable || a.buffer.byteLength === a.buffer.maxByteLength) return before
    // A view that follows its buffer does so when it grows.
    for (const { buffer } of [a, b]) buffer.resize(buffer.maxByteLength)
    const after = await fields('byteLength')
    for (const { buffer } of [a, b]) buffer.resize(6)
    return after
  }
  const [names, others] = [Object.keys(a).sort(), Object.keys(b).sort()]
  if (names.join('\0') !== others.join('\0') || a.length !== b.length) return `${here}: other members`
  return parts(names.map((name) => [name, a[name], b[name]]))
}

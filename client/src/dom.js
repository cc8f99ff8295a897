// Objects of the platform that are neither JavaScript's own nor bytes.

import { string } from './text.js'

const SHAPES = {
  DOMPoint: ['w', 'x', 'y', 'z'],
  DOMRect: ['height', 'width', 'x', 'y'],
  DOMQuad: ['p1', 'p2', 'p3', 'p4'],
}
const FLAT = ['a', 'b', 'c', 'd', 'e', 'f']
const CELLS = [...'1234'].flatMap((row) => [...'1234'].map((column) => `m${row}${column}`))

const shape = (kind) => SHAPES[kind.replace('ReadOnly', '')]

/** The text of a platform object, or `~opaque` where nothing can be read of it. */
export function dom(value, kind, writer) {
  const fields = { kind }
  const write = () => {
    const text = Object.keys(fields).sort().map((name) => `"${name}":${writer.value(fields[name])}`)
    return `{"~dom":{${text.join()}}}`
  }
  if (kind === 'DOMQuad') {
    for (const corner of SHAPES.DOMQuad) {
      const { w, x, y, z } = value[corner]
      fields[corner] = { w, x, y, z }
    }
    return write()
  }
  if (shape(kind)) {
    for (const name of shape(kind)) fields[name] = value[name]
    return write()
  }
  if (kind === 'DOMMatrix' || kind === 'DOMMatrixReadOnly') {
    for (const name of value.is2D ? FLAT : CELLS) fields[name] = value[name]
    return write()
  }
  if (kind === 'ImageData') {
    // Firefox knows no other.
    const { width, height, colorSpace = 'srgb', data } = value
    Object.assign(fields, { width, height, colorSpace, data })
    return write()
  }
  if (kind === 'FileList') {
    fields.files = [...value]
    return write()
  }
  return `{"~opaque":{"kind":${string(kind)},"reason":"not portable"}}`
}

/** The platform object that `fields` describe; `undefined` if this browser cannot make it. */
export function makeDom({ kind, ...fields }) {
  const Class = globalThis[kind]
  if (!Class) return undefined
  if (kind === 'DOMQuad') return new Class(fields.p1, fields.p2, fields.p3, fields.p4)
  if (kind.startsWith('DOMPoint')) return new Class(fields.x, fields.y, fields.z, fields.w)
  if (kind.startsWith('DOMRect')) return new Class(fields.x, fields.y, fields.width, fields.height)
  if (kind.startsWith('DOMMatrix')) return new Class((fields.m11 === undefined ? FLAT : CELLS).map((name) => fields[name]))
  if (kind === 'ImageData') {
    const { data, width, height, colorSpace } = fields
    const settings = data instanceof Uint8ClampedArray ? { colorSpace } : { colorSpace, pixelFormat: 'rgba-float16' }
    return new Class(data, width, height, settings)
  }
  return undefined
}

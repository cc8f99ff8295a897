// Strings and bytes as the canonical form writes them.

/** What went wrong, by `code`; `message` never holds record data. */
export class ValueError extends Error {
  constructor(code, message) {
    super(message)
    this.name = 'ValueError'
    this.code = code
  }
}

// Printable ASCII but for `"`, `\` and for `$` and `#`, which NiFi would evaluate.
const PLAIN = /^[ !%-[\]-~]*$/
const SPECIAL = /[^ !%-[\]-~]/g
// With the flag u a pair is one character, so only lone surrogates are left.
const LONE = /\p{Cs}/u

const escaped = (char) =>
  char === '"' || char === '\\' ? '\\' + char : '\\u' + char.charCodeAt(0).toString(16).padStart(4, '0')

/** Whether a string holds a surrogate without its other half. */
export const isLone = (text) => LONE.test(text)

/** A string that has no lone surrogate, in quotes. */
export const quote = (text) => '"' + (PLAIN.test(text) ? text : text.replace(SPECIAL, escaped)) + '"'

/** Any string: quoted, or tagged `~utf16`. */
export function string(text) {
  if (PLAIN.test(text)) return '"' + text + '"'
  if (!LONE.test(text)) return quote(text)
  const bytes = new Uint8Array(text.length * 2)
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    bytes[2 * i] = unit
    bytes[2 * i + 1] = unit >> 8
  }
  return '{"~utf16":"' + toBase64(bytes) + '"}'
}

/** The string of which `~utf16` holds the base64. */
export function fromUtf16(base64) {
  const bytes = fromBase64(base64)
  let text = ''
  for (let i = 0; i < bytes.length; i += 2) text += String.fromCharCode(bytes[i] | (bytes[i + 1] << 8))
  return text
}

/** Standard padded base64. */
export function toBase64(bytes) {
  if (bytes.toBase64) return bytes.toBase64()
  let text = ''
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode.apply(null, bytes.subarray(i, i + 32768))
  return btoa(text)
}

/** Bytes of base64, in a buffer of their own. */
export function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text)
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}

/** Values of IndexedDB as the sidecar's canonical text, and back. */

export interface EncodeOptions {
  /** A Blob with more bytes is named by its digest, without them: 8 MiB. */
  maxBlobBytes?: number
  /** false: without stacks of errors. */
  stacks?: boolean
}

/** The canonical text of a value. Throws `ValueError`. */
export function encode(value: unknown, options?: EncodeOptions): Promise<string>
/** The same at once; `undefined` if the value holds Blobs. */
export function encodeNow(value: unknown, options?: EncodeOptions): string | undefined
/** The canonical text of a key. */
export function encodeKey(key: IDBValidKey): string
/** The value, or key, of canonical text. Throws `ValueError` for what this browser cannot make. */
export function decode(text: string): unknown

/** A value that cannot be written or made; `code` says why. `message` holds no data. */
export class ValueError extends Error {
  code: string
}

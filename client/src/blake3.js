// BLAKE3, as the sidecar names blobs by it. Synchronous, so that it can run inside a transaction.

const IV = Uint32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19)
const ORDER = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
const [CHUNK_START, CHUNK_END, PARENT, ROOT] = [1, 2, 4, 8]
// Which word of the block each round takes where.
const SCHEDULE = [[...Array(16).keys()]]
for (let round = 1; round < 7; round++) SCHEDULE.push(ORDER.map((at) => SCHEDULE[round - 1][at]))
const PLAN = Uint8Array.from(SCHEDULE.flat())
// Columns, then diagonals.
const LANES = Uint8Array.of(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 5, 10, 15, 1, 6, 11, 12, 2, 7, 8, 13, 3, 4, 9, 14)
const s = new Uint32Array(16)

/** Compresses a block of 16 words into the chaining value `cv`, in place. */
function compress(cv, words, counter, length, flags) {
  s.set(cv)
  s.set(IV.subarray(0, 4), 8)
  s[12] = counter
  s[13] = counter / 4294967296
  s[14] = length
  s[15] = flags
  for (let at = 0; at < 112; ) {
    for (let lane = 0; lane < 32; lane += 4) {
      const a = LANES[lane], b = LANES[lane + 1], c = LANES[lane + 2], d = LANES[lane + 3]
      let sa = (s[a] + s[b] + words[PLAN[at++]]) | 0
      let sd = s[d] ^ sa
      sd = (sd >>> 16) | (sd << 16)
      let sc = (s[c] + sd) | 0
      let sb = s[b] ^ sc
      sb = (sb >>> 12) | (sb << 20)
      sa = (sa + sb + words[PLAN[at++]]) | 0
      sd ^= sa
      sd = (sd >>> 8) | (sd << 24)
      sc = (sc + sd) | 0
      sb ^= sc
      s[a] = sa
      s[b] = (sb >>> 7) | (sb << 25)
      s[c] = sc
      s[d] = sd
    }
  }
  for (let i = 0; i < 8; i++) cv[i] = s[i] ^ s[i + 8]
}

/** The last block of a node is only compressed once it is known whether the node is the root. */
function chunk(bytes, start, end, counter) {
  const cv = IV.slice()
  let words = new Uint32Array(16)
  let flags = CHUNK_START
  for (; end - start > 64; start += 64, flags = 0) {
    load(bytes, start, 64, words)
    compress(cv, words, counter, 64, flags)
  }
  words = new Uint32Array(16)
  load(bytes, start, end - start, words)
  return { cv, words, counter, length: end - start, flags: flags | CHUNK_END }
}

function load(bytes, start, length, words) {
  if (length < 64) words.fill(0)
  if (length === 64) {
    for (let i = 0; i < 16; i++, start += 4)
      words[i] = bytes[start] | (bytes[start + 1] << 8) | (bytes[start + 2] << 16) | (bytes[start + 3] << 24)
  } else for (let i = 0; i < length; i++) words[i >> 2] |= bytes[start + i] << ((i & 3) * 8)
}

function finish(node, root) {
  compress(node.cv, node.words, node.counter, node.length, node.flags | root)
  return node.cv
}

function tree(bytes, start, end) {
  if (end - start <= 1024) return chunk(bytes, start, end, start / 1024)
  // The left side is the greatest power of two of whole chunks that leaves something for the right.
  const left = 1024 * 2 ** Math.floor(Math.log2((end - start - 1) / 1024))
  const words = new Uint32Array(16)
  words.set(finish(tree(bytes, start, start + left), 0))
  words.set(finish(tree(bytes, start + left, end), 0), 8)
  return { cv: IV.slice(), words, counter: 0, length: 64, flags: PARENT }
}

/** The digest of bytes, in hexadecimal; `words` of 8 digits each, of which there are 8. */
export function blake3(bytes, words = 8) {
  const cv = finish(tree(bytes, 0, bytes.length), ROOT)
  let hex = ''
  for (let i = 0; i < words; i++) {
    const word = cv[i]
    const swapped = (word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff0000) | (word << 24)
    hex += (swapped >>> 0).toString(16).padStart(8, '0')
  }
  return hex
}

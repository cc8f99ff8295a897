// Digests of texts, to compare records by.

import { blake3 } from './blake3.js'

const bytes = new TextEncoder()

/** 128 bits of the digest of a text. */
export const digest = (text) => blake3(bytes.encode(text), 4)

// The vectors that the sidecar's own tests read, for Node and for browsers: `run` takes the text of the file.

import { decode, encode } from '../src/values.js'

/** Runs all vectors; gives what failed and what could not be made here, by name. */
export async function run(text) {
  const result = { passed: 0, failed: [], skipped: [] }
  for (const line of text.trim().split('\n')) {
    const { name, input, canonical, plain, bigIntegers, key } = JSON.parse(line)
    // What is refused never is in a browser; big integers are an option of the sidecar.
    if (canonical === undefined || bigIntegers || key) continue
    let value
    try {
      value = plain ? JSON.parse(input) : decode(canonical)
    } catch (error) {
      if (!['unsupported', 'no-bytes'].includes(error.code)) result.failed.push(`${name}: ${error}`)
      else result.skipped.push(`${name}: ${error.message}`)
      continue
    }
    const found = await encode(value)
    if (found === canonical) result.passed++
    else result.failed.push(`${name}: ${canonical} became ${found}`)
  }
  return result
}

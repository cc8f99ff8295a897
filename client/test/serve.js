// `nifi-idb serve` on loopback, for the tests.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The program: NIFI_IDB, or what `cargo build` made. */
export const program = process.env.NIFI_IDB ?? fileURLToPath(new URL('../../target/debug/nifi-idb', import.meta.url))

/** Starts a server on a free port. Gives `{ url, stop }`. */
export async function serve(store = 'memory:', ...more) {
  if (!existsSync(program)) throw new Error(`NOT RUN, needs ${program}: cargo build, or set NIFI_IDB`)
  const child = spawn(program, ['serve', '--store', store, '--listen', '127.0.0.1:0', ...more], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  const url = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => reject(new Error(`nifi-idb ended with ${code}: ${text}`)))
    const read = (part) => {
      text += part
      const found = /(http:\/\/\S+)\n/.exec(text)
      if (found) resolve(found[1])
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
  })
  const ended = new Promise((resolve) => child.on('exit', resolve))
  return {
    url,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** The newest version of a flow: its records by store and key, as text. */
export async function stored(url, flow, version = 'latest') {
  const response = await fetch(`${url}/v1/flows/indexeddb/${flow}/versions/${version}`)
  const lines = (await response.text()).trim().split('\n')
  return lines.slice(1, -1).map((line) => JSON.parse(line))
}

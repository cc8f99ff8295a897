// `nifi-idb serve` on loopback, for the tests; or the flow `live-sync` on a NiFi that somebody else started: LIVE_SYNC is its
// address, and LIVE_STORE the store that it writes to, which a `serve` of ours reads.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The program: NIFI_IDB, or what `cargo build` made. */
export const program = process.env.NIFI_IDB ?? fileURLToPath(new URL('../../target/debug/nifi-idb', import.meta.url))

/** The address of the flow, if the tests go through it. */
const flowAddress = process.env.LIVE_SYNC || undefined

/** What a client is told: where `flow` is. Through the flow, it must be the name of the database too. */
const options = (url) => (flow) => ({
  url,
  flow,
  ...(flowAddress && { syncUrl: `${flowAddress}/sync/{source}`, sourcesUrl: `${flowAddress}/sources/{source}?flow=${flow}` }),
})

/** The other end of a client, as LIVE_SYNC says, or a server with a store of its own. */
export const otherEnd = (store, ...more) => serve(flowAddress ? process.env.LIVE_STORE : store, ...more)

/**
 * Starts a server on a free port. Gives `{ url, to, stop, kill, again }`: `to(flow)` are a client's options, `kill` ends it as
 * a power failure does, `again` starts it anew, on its port.
 */
export async function serve(store = 'memory:', ...more) {
  if (!existsSync(program)) throw new Error(`NOT RUN, needs ${program}: cargo build, or set NIFI_IDB`)
  let child = await start(store, '127.0.0.1:0', more)
  const { url } = child
  const end = async (signal) => {
    const ended = new Promise((resolve) => child.on('exit', resolve))
    child.kill(signal)
    await ended
  }
  return {
    url,
    to: options(url),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    again: async () => (child = await start(store, new URL(url).host, more)),
  }
}

/** The process, once it listens. */
async function start(store, listen, more) {
  const child = spawn(program, ['serve', '--store', store, '--listen', listen, ...more], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  child.url = await new Promise((resolve, reject) => {
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
  return child
}

/** The newest version of a flow: its records by store and key, as text. */
export async function stored(url, flow, version = 'latest') {
  const response = await fetch(`${url}/v1/flows/indexeddb/${flow}/versions/${version}`)
  const lines = (await response.text()).trim().split('\n')
  return lines.slice(1, -1).map((line) => JSON.parse(line))
}

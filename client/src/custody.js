// For whoever takes batches and does not answer for the sidecar, such as NiFi's ListenHTTP: how far is it?

import { readReport } from './send.js'

/** A report that only acknowledges, if the source's checkpoint says that all of the batch is durable. */
export async function askCheckpoint(fetch, address, headers, { epoch, last }) {
  let found
  try {
    const response = await fetch(address, { headers, signal: AbortSignal.timeout(30000) })
    found = response.ok ? JSON.parse(await response.text()) : undefined
  } catch {
    // It cannot be told now.
  }
  if (found?.epoch !== epoch || found.checkpoint < last) return undefined
  return { ...readReport('{"type":"summary","version":null}'), ack: found, custody: true }
}

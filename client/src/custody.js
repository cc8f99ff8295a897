// For whoever takes batches and does not answer for the sidecar, such as NiFi's ListenHTTP: how far is it?

import { changeState } from './home.js'
import { SEEN, transaction } from './idb.js'
import { readReport } from './send.js'

/** A batch that was taken is asked about this often before it is sent again: somebody may have emptied a queue. */
const ASKED = 8
/** Milliseconds that an answer may take. */
const PATIENCE = 30000

/**
 * Asks about a batch that was taken: just now, earlier, or by a tab that is gone. What is known of it lies beside the data
 * (`taken`), because a page may live shorter than NiFi's schedule takes.
 */
export async function ask(client, look, batch) {
  const report = await acknowledged(look, batch)
  if (report) return { kind: 'report', report }
  const { full, last, upTo, databaseVersion } = batch
  if (full) client.kept = batch
  if (full && batch.records && client.scanning) {
    // As long as no full batch is acknowledged there is no scan, so this harms nothing if the batch is lost.
    await transaction(client.home, SEEN, 'readwrite', (tx) => client.scanning.rememberFull(tx.objectStore(SEEN), batch))
  }
  if (full || batch.count) {
    // Not if there was no room meanwhile: what was taken is not all then.
    const note = (state) => {
      const asked = (state.taken?.last === last ? state.taken.asked : 0) + 1
      state.taken = asked < ASKED ? { full, last, upTo, databaseVersion, asked } : undefined
    }
    await changeState(client.home, note, client.state)
  }
  return { kind: 'sending', message: 'taken, not acknowledged' }
}

/** A report that only acknowledges, if the source's checkpoint says that all of the batch is durable. */
async function acknowledged(look, { epoch, last }) {
  let found
  try {
    const late = new Promise((_, reject) => setTimeout(reject, PATIENCE).unref?.())
    found = await Promise.race([late, look().then((response) => (response.ok ? response.json() : undefined))])
  } catch {
    // It cannot be told now.
  }
  if (found?.epoch !== epoch || found.checkpoint < last) return undefined
  const report = readReport('{"type":"summary"}')
  report.summary.version = found.version
  return { ...report, ack: found, custody: true }
}

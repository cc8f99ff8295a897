// For whoever takes batches and does not answer for the sidecar, such as NiFi's ListenHTTP: how far is it?

import { changeState } from './home.js'
import { SEEN, transaction } from './idb.js'
import { readReport, within } from './send.js'

/** A batch that was taken is asked about this often, and for `custodyTimeout`, before it is sent again: a queue may be emptied. */
const ASKED = 8
/** Milliseconds that an answer may take. */
const PATIENCE = 30000

/**
 * Asks about a batch that was taken: just now, earlier, or by a tab that is gone. What is known of it lies beside the data
 * (`taken`), because a page may live shorter than NiFi's schedule takes; where it is posted again anyway, for what others did, not.
 */
export async function ask(client, look, batch) {
  const { env, home, options, scanning, state: known } = client
  const { full, first, last, upTo, databaseVersion } = batch
  const found = await answer(look)
  if (found?.epoch === known.epoch && found.checkpoint >= last) {
    const report = readReport('{"type":"summary"}')
    report.summary.version = found.version
    // Nothing but the acknowledgement.
    return { kind: 'report', report: { ...report, ack: found, custody: true } }
  }
  const taking = { kind: 'sending', message: 'taken, not acknowledged' }
  if (options.twoWay) return taking
  const now = env.now()
  const isNew = known.taken?.last !== last
  const { asked, since = now } = isNew ? { asked: 0 } : known.taken
  // As long as nobody acknowledges it, its text is not needed: if it is sent again, it is made anew.
  if (full && isNew) client.kept = { ...batch, text: undefined }
  if (full && isNew && scanning) {
    // If the batch is lost, the next one holds everything again: what a scan compares with until then harms nothing.
    await transaction(home, SEEN, 'readwrite', (tx) => scanning.rememberFull(tx.objectStore(SEEN), batch))
  }
  // What was acknowledged is not there any more: another store, or an old one. A first batch follows nothing.
  const gap = found && !full && !known.fresh && (found.epoch !== known.epoch || found.checkpoint < first - 1)
  // A clock may have been wrong.
  const late = gap || now - since >= options.custodyTimeout || since > now
  // Not if there was no room meanwhile: what was taken is not all then.
  const note = (state) => {
    const over = asked + 1 >= ASKED && late
    state.taken = over ? undefined : { full, last, upTo, databaseVersion, asked: asked + 1, since }
    if (over && gap) state.full = true
  }
  await changeState(home, note, known)
  return taking
}

/** The source's checkpoint, if it can be told now. */
async function answer(look) {
  try {
    return await within(PATIENCE, look().then((response) => (response.ok ? response.json() : undefined)))
  } catch {
    return undefined
  }
}

// One POST, and what its answer means.

/**
 * Reads a report. `undefined` where the summary is missing: then it is not finished, and nothing in it counts.
 */
export function readReport(text) {
  const report = { changes: [], conflicts: [], rejected: [], resolved: [], reset: false, ack: undefined, summary: undefined }
  for (const line of text.split('\n')) {
    if (!line) continue
    let it
    try {
      it = JSON.parse(line)
    } catch {
      return undefined
    }
    switch (it?.type) {
      case 'change':
        report.changes.push(it.line)
        break
      case 'resolved':
        report.resolved.push(it)
        break
      case 'conflict':
        report.conflicts.push(it)
        break
      case 'rejected':
        report.rejected.push(it)
        break
      case 'reset':
        report.reset = true
        break
      case 'ack':
        report.ack = it
        break
      case 'summary':
        report.summary = it
    }
  }
  return report.summary ? report : undefined
}

/** What is promised, or an error after so many milliseconds. */
export function within(ms, promise) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`nothing came in ${ms} ms`)), ms).unref?.())
  return Promise.race([promise, late])
}

/** Where to post, and where to ask for a checkpoint. */
export function addresses({ url, syncUrl, sourcesUrl, bucket, flow, database }, source) {
  const fill = (text) => text?.replace('{source}', encodeURIComponent(source))
  if (syncUrl) return { sync: fill(syncUrl), sources: fill(sourcesUrl) }
  const root = String(url).replace(/\/$/, '')
  const path = `${root}/v1/flows/${encodeURIComponent(bucket ?? 'indexeddb')}/${encodeURIComponent(flow ?? (database || 'default'))}`
  const named = bucket !== undefined || flow !== undefined
  return { sync: named ? `${path}/sync` : `${root}/v1/sync`, sources: `${path}/sources/${encodeURIComponent(source)}` }
}

/**
 * Posts a batch. Gives `{ kind }`: `report`; `resync`; or what to say of it, a phase: `sending` (taken, not acknowledged: custody),
 * `offline` (unknown, or for later), `held` (a person has to confirm `plan`, or the histories differ), `failed` (for good, but for
 * a batch that may be `smaller`, or `soon` with other headers).
 */
export async function post(fetch, address, text, { headers, pull, confirm, fresh, keepalive, timeout }) {
  const query = new URLSearchParams()
  if (pull) query.set('pull', 'true')
  if (confirm) query.set('confirm', confirm)
  if (fresh) query.set('new-epoch', 'keep')
  const joint = address.includes('?') ? '&' : '?'
  const url = `${query}` ? `${address}${joint}${query}` : address
  let response, body
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', ...headers },
      body: text,
      // All such requests of a page together may have 64 KiB.
      keepalive: keepalive && text.length < 60000,
      signal: AbortSignal.timeout(timeout),
    })
    body = await response.text()
  } catch (error) {
    return { kind: 'offline', message: `${error}: ${address}` }
  }
  const { status } = response
  const message = response.headers.get('sync.error') ?? `HTTP ${status}: ${address}`
  if (status === 200) {
    const report = readReport(body)
    if (report) return { kind: 'report', report }
    // A report that was cut, a page of somebody in between, or somebody who only keeps the batch for the sidecar.
    return { kind: body ? 'offline' : 'sending', message: `no report: ${address}` }
  }
  // A gap. Where the header does not come through, as from NiFi, it is the only refusal that has this status.
  const gap = response.headers.get('sync.resync') === 'true' || body.includes('"outcome":"refused"')
  if (status === 503 && gap) return { kind: 'resync', message }
  if (status === 409) return { kind: 'held', plan: response.headers.get('sync.plan') ?? undefined, message }
  if (status === 413) return { kind: 'failed', smaller: true, message }
  if (status === 422 || status >= 502 || status === 429) return { kind: 'offline', message }
  // The next token may do.
  return { kind: 'failed', soon: status === 401, message }
}

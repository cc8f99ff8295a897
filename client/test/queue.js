// Somebody who takes batches and hands them on later, such as NiFi's ListenHTTP, without a network in between.

/** Takes what is posted by `fetch`, and brings it to a flow of `url` when it is told to. */
export class Queue {
  batches = []
  taken = 0
  asked = 0

  constructor(url, flow) {
    this.flow = `${url}/v1/flows/indexeddb/${flow}`
    this.options = {
      syncUrl: 'http://queue/batches',
      sourcesUrl: `${this.flow}/sources/{source}`,
      twoWay: false,
      env: { fetch: (...request) => this.fetch(...request) },
    }
  }

  async fetch(url, { method, body, headers }) {
    if (method === 'POST') {
      this.taken++
      this.batches.push(body)
      return new Response('')
    }
    this.asked++
    return fetch(url, { headers })
  }

  /** Brings what waits; statuses, in the order of what was done. */
  async bring() {
    const statuses = []
    for (const body of this.batches.splice(0)) {
      const answer = await fetch(`${this.flow}/sync`, { method: 'POST', body })
      await answer.text()
      statuses.push(answer.status)
    }
    return statuses
  }
}

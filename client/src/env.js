// What the page gives us; tests give something else.

/** Turns in which only one tab is at a time. Without Web Locks (an insecure page) the sequence numbers keep order. */
function withLock(locks) {
  let last = Promise.resolve()
  if (locks) return (name, work) => locks.request(name, work)
  return (_, work) => (last = last.then(work, work))
}

const random = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('')

/** Takes over what is given, and the page's own for the rest. */
export function environment(given = {}) {
  const locks = 'locks' in given ? given.locks : globalThis.navigator?.locks
  return {
    indexedDB: globalThis.indexedDB,
    fetch: (...request) => globalThis.fetch(...request),
    BroadcastChannel: globalThis.BroadcastChannel,
    document: globalThis.document,
    now: Date.now,
    random,
    ...given,
    lock: withLock(locks),
  }
}

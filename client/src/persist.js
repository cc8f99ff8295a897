// Whether the browser may throw the data away.

/** Asks the browser to keep the data of this origin, and says in words what came of it. */
export async function persist(storage = globalThis.navigator?.storage) {
  if (!storage?.persist) {
    return { persisted: false, reason: 'this page is not a secure context, or the browser cannot be asked: it may delete the data when space is short' }
  }
  if (await storage.persisted()) return { persisted: true, reason: 'the browser keeps the data until the user deletes it' }
  const persisted = await storage.persist()
  const { usage, quota } = (await storage.estimate?.()) ?? {}
  const reason = persisted
    ? 'the browser agreed to keep the data until the user deletes it'
    : 'the browser did not agree: it may delete the data when space is short. Chromium agrees where the site is installed, bookmarked or ' +
      'often used; Firefox asks the user; Safari deletes data of sites that were not used for seven days, unless they are on the Home Screen'
  return { persisted, reason, usage, quota }
}

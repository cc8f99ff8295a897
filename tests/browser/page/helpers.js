// What the tests call in a page.

import { NifiClient, nifiStores, restore } from '/client/src/index.js'
import { decode, encode, encodeKey } from '/client/src/values.js'
import { run } from '/client/test/vectors.js'
import { difference, keys, values } from './zoo.js'

export const vectors = async () => run(await (await fetch('/tests/fixtures/values/canonical.ndjson')).text())

const result = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
const completed = (tx) =>
  new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve()
    tx.onabort = () => reject(tx.error)
  })

/** Opens a database that the client watches. */
export async function open(name, upgrade) {
  const request = indexedDB.open(name, 1)
  request.onupgradeneeded = () => {
    upgrade(request.result)
    nifiStores(request.result)
  }
  const db = await result(request)
  db.onversionchange = () => db.close()
  return db
}

const zoo = (db) => {
  db.createObjectStore('values')
  db.createObjectStore('keys')
  db.createObjectStore('numbered', { keyPath: 'id', autoIncrement: true }).createIndex('by name', ['name', 'id'], { unique: true })
}
const ZOO = { stores: ['values', 'keys', 'numbered'], interval: 0 }

/** Stores one of each kind and sends it. Gives the texts by name. */
export async function sendZoo(options, capture = 'after') {
  const db = await open(options.database, zoo)
  const client = new NifiClient({ ...ZOO, ...options })
  if (options.mode !== 'scan') client.capture(db)
  if (capture === 'delta') await client.sync()
  const tx = db.transaction(['values', 'keys', 'numbered'], 'readwrite')
  const done = completed(tx)
  const refused = []
  for (const [name, make] of values()) {
    try {
      tx.objectStore('values').put(make(), name)
    } catch (error) {
      refused.push(`${name}: ${error.name}`)
    }
  }
  keys().forEach((key, at) => tx.objectStore('keys').put({ at }, key))
  for (const name of ['one', 'two', 'three']) tx.objectStore('numbered').add({ name })
  await done
  // One that goes: the next key stays behind it.
  const last = db.transaction('numbered', 'readwrite')
  last.objectStore('numbered').delete(3)
  await completed(last)
  const skipped = []
  client.addEventListener('skipped', ({ detail }) => skipped.push(`${detail.key}: ${detail.error}`))
  const rejected = []
  client.addEventListener('rejected', ({ detail }) => rejected.push(detail))
  const status = await client.sync()
  const texts = {}
  const stored = db.transaction('values').objectStore('values')
  const [names, all] = await Promise.all([result(stored.getAllKeys()), result(stored.getAll())])
  for (let at = 0; at < names.length; at++) texts[names[at]] = await encode(all[at])
  client.close()
  db.close()
  return { status, texts, keys: keys().map(encodeKey), refused, skipped, rejected }
}

/** Restores what `sendZoo` sent, and compares kind by kind. */
export async function restoreZoo(options) {
  const progress = new Set()
  const done = await restore({ ...ZOO, ...options, onProgress: ({ phase }) => progress.add(phase) })
  const db = await open(options.database, zoo)
  const failed = []
  let same = 0
  const stored = db.transaction('values').objectStore('values')
  for (const [name, make] of values()) {
    if (done.skipped.some(({ key }) => key === name)) continue
    const found = await result(db.transaction('values').objectStore('values').get(name))
    const differs = await difference(make(), found)
    if (differs) failed.push(`${name}: ${differs}`)
    else same++
  }
  const [found, wanted] = [await result(db.transaction('keys').objectStore('keys').getAllKeys()), keys()]
  for (let at = 0; at < wanted.length; at++) {
    const differs = await difference(wanted[at], found[at])
    if (differs) failed.push(`key ${at}: ${differs}`)
    if (decode(encodeKey(found[at])) === undefined || indexedDB.cmp(decode(encodeKey(found[at])), wanted[at]) !== 0) failed.push(`key ${at}: its text`)
  }
  const tx = db.transaction('numbered', 'readwrite')
  const next = await result(tx.objectStore('numbered').add({ name: 'next' }))
  tx.abort()
  const index = [...tx.db.transaction('numbered').objectStore('numbered').indexNames]
  db.close()
  return { same, failed, next, index, progress: [...progress], skipped: done.skipped.map(({ key, error }) => `${key}: ${error.message}`), version: done.version, records: done.records }
}

/** A key that cannot be read out, in a record of its own: it is never sent. */
export async function cryptoKey(options) {
  const db = await open(options.database, (db) => db.createObjectStore('data', { keyPath: 'id' }))
  const client = new NifiClient({ stores: ['data'], interval: 0, ...options })
  client.capture(db)
  await client.sync()
  const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, true, ['encrypt'])
  const raw = [...new Uint8Array(await crypto.subtle.exportKey('raw', key))]
  const tx = db.transaction('data', 'readwrite')
  tx.objectStore('data').put({ id: 1, key, note: 'kept' })
  await completed(tx)
  const status = await client.sync()
  client.close()
  db.close()
  return { status, raw }
}

// A small application, for histories: its state is the page's.

/** Opens it; `faults` is a list of what happens to the next requests. */
export async function openApp(options) {
  const db = await open(options.database, (db) => db.createObjectStore('data', { keyPath: 'id' }))
  const faults = (globalThis.faults = [])
  const faulty = async (...request) => {
    const fault = faults.shift()
    if (fault === 'before') throw new TypeError('lost before')
    const answer = await fetch(...request)
    if (fault === 'hang') await new Promise(() => {})
    const text = await answer.text()
    if (fault === 'after') throw new TypeError('lost after')
    return new Response(fault === 'cut' ? text.slice(0, text.length / 2) : text, { status: answer.status, headers: answer.headers })
  }
  const client = new NifiClient({ stores: ['data'], interval: 0, delay: 1e8, minRetry: 1e8, maxRetry: 1e9, ...options, env: { fetch: faulty } })
  client.capture(db)
  Object.assign(globalThis, { app: { db, client } })
}

/** Puts a record of one's own, and a member into one that all share. */
export async function act(own, member, n) {
  const { db } = globalThis.app
  const tx = db.transaction('data', 'readwrite')
  const data = tx.objectStore('data')
  if (own) data.put({ id: own, n })
  if (member) {
    const request = data.get('shared')
    request.onsuccess = () => data.put({ ...(request.result ?? { id: 'shared' }), [member]: n })
  }
  await completed(tx)
}

export const sync = () => globalThis.app.client.sync()

export async function records() {
  return result(globalThis.app.db.transaction('data').objectStore('data').getAll())
}

/** Writes every few milliseconds, each time a record of its own and a member of the shared one, and syncs by itself. */
export function keepWriting(name, every) {
  const { client } = globalThis.app
  const writer = (globalThis.writer = { n: 0, phases: {}, stop: false })
  client.addEventListener('status', ({ detail: { phase, message } }) => (writer.phases[phase] ??= message ?? ''))
  client.start()
  writer.done = (async () => {
    while (!writer.stop) {
      writer.n++
      await act(`${name}-${writer.n % 50}`, `${name}-${writer.n % 7}`, writer.n)
      await new Promise((resolve) => setTimeout(resolve, every))
    }
  })()
}

/** How many were written, and every phase that the client went through, with what it first said of it. */
export async function stopWriting() {
  const { writer } = globalThis
  writer.stop = true
  await writer.done
  return { n: writer.n, phases: writer.phases }
}

export const status = () => globalThis.app.client.status()

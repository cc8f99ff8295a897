// The seed's own page: `myDatabase`, object store `data`, key path `id`, index `index`. All that has to do with syncing is in
// `connect` and `restoreTo`; the rest is an application like any other.

import { NifiClient, nifiStores, restore } from '/client/index.js'

const { server, other } = await (await fetch('config.json')).json()
const $ = (id) => document.getElementById(id)
const network = { offline: sessionStorage.offline === 'true' }
const through = (...request) => (network.offline ? Promise.reject(new TypeError('this page is offline')) : fetch(...request))
const sync = { database: 'myDatabase', stores: ['data'], url: server, env: { fetch: through } }

let db, client
let filter

/** Opens the database as the application always did, and lets the client watch. */
async function connect() {
  const request = indexedDB.open('myDatabase', 1)
  request.onupgradeneeded = () => {
    const data = request.result.createObjectStore('data', { keyPath: 'id' })
    data.createIndex('index', 'index')
    nifiStores(request.result)
  }
  db = await new Promise((resolve, reject) => Object.assign(request, { onsuccess: () => resolve(request.result), onerror: () => reject(request.error) }))
  db.onversionchange = () => db.close()

  client = new NifiClient({ ...sync, interval: 2000, minRetry: 1000, maxRetry: 4000, delay: 300 })
  client.capture(db)
  client.addEventListener('status', ({ detail }) => showStatus(detail))
  client.addEventListener('phase', async () => showStatus(await client.status()))
  client.addEventListener('applied', ({ detail: { changes, elsewhere } }) => {
    show(new Set(changes.map(({ key }) => key)))
    if (!elsewhere) say(`${changes.length} ${changes.length === 1 ? 'record' : 'records'} came from elsewhere`)
  })
  client.addEventListener('conflict', ({ detail: { key, winner } }) => {
    const words = { merged: 'both changed: merged', incoming: 'both changed: this side won', head: 'both changed: the other side won', none: 'both changed: a person decides' }
    say(`record ${key}: ${words[winner]}`, winner === 'none' ? 'parked' : 'merged')
  })
  client.start()
  await show()
}

/** A version of the past becomes what holds, here and everywhere. */
async function restoreTo(version) {
  client.close()
  db.close()
  db = undefined
  try {
    const { records, changes } = await restore({ ...sync, version })
    say(`version ${version} restored: ${records} records, proven one by one; ${changes} changes for the others`, 'merged')
  } catch (error) {
    say(`not restored: ${error.message}`, 'parked')
  }
  await connect()
}

const all = () =>
  new Promise((resolve) => {
    const data = db.transaction('data').objectStore('data')
    const request = filter ? data.index('index').getAll(filter) : data.getAll()
    request.onsuccess = () => resolve(request.result)
  })

function write(work) {
  const tx = db.transaction('data', 'readwrite')
  work(tx.objectStore('data'))
  return new Promise((resolve) => (tx.oncomplete = resolve))
}

/** Changes one member, on what is stored now. */
const change = (id, member, value) =>
  write((data) => {
    data.get(id).onsuccess = ({ target: { result } }) => result && data.put({ ...result, [member]: value })
  })

const element = (name, properties, ...children) => {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}

async function show(fresh = new Set()) {
  if (!db) return
  const records = await all()
  const focused = document.activeElement?.dataset?.cell
  const cell = ({ id, ...record }, member, type = 'text') => {
    const input = element('input', { value: record[member] ?? '', type, step: 'any', ariaLabel: `${member} of ${id}` })
    input.dataset.cell = `${id}.${member}`
    input.onchange = () => change(id, member, type === 'number' ? Number(input.value) : input.value)
    return element('td', { className: type === 'number' ? 'number' : '' }, input)
  }
  const rows = records.map((record) =>
    element('tr', { className: fresh.has(record.id) ? 'fresh' : '' },
      element('td', { textContent: record.id }),
      cell(record, 'name'), cell(record, 'index'), cell(record, 'price', 'number'),
      element('td', {}, element('button', { textContent: '×', title: 'delete', onclick: async () => (await write((data) => data.delete(record.id)), show()) }))))
  // Who types is not disturbed.
  if (focused && !fresh.size) return
  $('rows').replaceChildren(...rows)
  if (focused) document.querySelector(`[data-cell="${focused}"]`)?.focus()
  const kinds = await new Promise((resolve) => {
    const found = []
    db.transaction('data').objectStore('data').index('index').openKeyCursor(null, 'nextunique').onsuccess = ({ target: { result } }) => {
      if (!result) return resolve(found)
      found.push(result.key)
      result.continue()
    }
  })
  const button = (name, value) => element('button', { textContent: name, ariaPressed: filter === value, onclick: () => ((filter = value), show()) })
  $('kinds').replaceChildren(button('all', undefined), ...kinds.map((kind) => button(kind, kind)))
  $('indexes').replaceChildren(...kinds.map((value) => element('option', { value })))
}

function say(text, className = '') {
  $('events').querySelector('.quiet')?.remove()
  $('events').prepend(element('li', { className }, text, element('small', { textContent: new Date().toLocaleTimeString() })))
}

let shown
function showStatus({ phase, pending, version, held, message }) {
  const waiting = pending ? `${pending} ${pending === 1 ? 'change waits' : 'changes wait'}` : ''
  const words = { idle: `in step, version ${version ?? 0}`, sending: 'sending', offline: 'offline', held: 'asks', failed: 'failed', full: 'no room' }
  const text = phase === 'idle' ? waiting || words.idle : [words[phase], waiting].filter(Boolean).join(', ')
  if (phase !== 'sending') Object.assign($('state'), { textContent: text, title: message ?? '', className: `pill ${phase === 'idle' && pending ? 'waiting' : phase}` })
  if (held && held.plan !== shown?.plan) {
    const yes = element('button', { textContent: 'really delete', onclick: () => client.confirm() })
    $('events').prepend(element('li', { className: 'parked' }, 'many records would go', yes))
  }
  shown = held
  if (version && version !== showStatus.version) {
    showStatus.version = version
    showVersions()
  }
}

async function showVersions() {
  const response = await through(`${server}/v1/flows/indexeddb/myDatabase/versions?limit=30`).catch(() => undefined)
  if (!response?.ok) return
  const lines = (await response.text()).trim().split('\n').map((line) => JSON.parse(line))
  $('versions').replaceChildren(...lines.map(({ version, summary, timestamp }, at) => {
    const what = summary.startsWith('nothing') ? 'a browser joined' : summary.replace(/ in \d+ object.*/, '')
    const told = element('span', {}, `${version} · ${what} `, element('small', { textContent: new Date(timestamp).toLocaleTimeString() }))
    return element('li', {}, told, at ? element('button', { textContent: 'restore', onclick: () => restoreTo(version) }) : element('small', { textContent: 'now' }))
  }))
}

$('add').onsubmit = async (event) => {
  event.preventDefault()
  const { name, index, price } = Object.fromEntries(new FormData(event.target))
  // Two browsers that count would both give the next number.
  const id = Math.random().toString(36).slice(2, 7)
  await write((data) => data.add({ id, name, index, price: Number(price) }))
  event.target.reset()
  await show()
}
$('offline').checked = network.offline
$('offline').onchange = ({ target: { checked } }) => {
  network.offline = checked
  sessionStorage.offline = checked
  if (!checked) client.sync()
}
$('other').href = other[location.origin] ?? location.href
$('rows').addEventListener('focusout', () => setTimeout(show))

await connect()

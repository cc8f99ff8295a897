// Every kind of value and key: page, client, sidecar, git store, restore, a fresh page.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { files, launch, open, sidecar } from './harness.mjs'

/** What the engines store differently: the page of the client says so too. */
const ENGINES_DIFFER = {
  // Stacks are what each engine writes; they are no part of equality.
  errors: 'stack',
  'an error without a message': 'stack',
  'an error with a cause': 'stack',
}

let site, server
before(async () => {
  site = await files()
  server = await sidecar(site.origin)
})
after(async () => {
  await server.stop()
  site.stop()
})

const lines = async (flow) => {
  const response = await fetch(`${server.url}/v1/flows/indexeddb/${flow}/versions/latest`)
  return (await response.text()).trim().split('\n')
}
const valueOf = (line) => line.slice(line.indexOf('"value":') + 8, -1)
const texts = {}

for (const name of ['chromium', 'firefox']) {
  test(`${name}: the vectors of the sidecar`, { timeout: 120000 }, async () => {
    const browser = await launch(name)
    try {
      const { call } = await open(browser, site.origin)
      const { passed, failed, skipped } = await call('vectors')
      assert.deepEqual(failed, [])
      // Blobs by digest alone, and a key that was never sent.
      assert.deepEqual(skipped.filter((it) => !/^(blob|file|opaque)/.test(it)), [])
      console.log(`${name}: ${passed} vectors, ${skipped.length} that no page can make`)
    } finally {
      await browser.quit()
    }
  })

  for (const mode of ['oplog', 'scan', 'full']) {
    test(`${name}: every kind goes out and comes back, by ${mode}`, { timeout: 240000 }, async () => {
      const flow = `zoo-${name}-${mode}`
      const options = { ...server.to(flow), database: flow, mode: mode === 'scan' ? 'scan' : 'oplog' }
      const first = await launch(name)
      let sent
      try {
        const { call } = await open(first, site.origin)
        sent = await call('sendZoo', options, mode === 'oplog' ? 'delta' : 'after')
      } finally {
        await first.quit()
      }
      assert.deepEqual([sent.status.phase, sent.status.pending, sent.refused, sent.skipped, sent.rejected], ['idle', 0, [], [], []], sent.status.message)
      const every = await lines(flow)
      // Keys too, in the order of both.
      const keys = every.filter((line) => line.includes('"store":"keys"'))
      assert.deepEqual(keys.map((line) => line.slice(line.indexOf('"key":') + 6, line.indexOf(',"op":"put"'))), sent.keys)
      const kept = every.filter((line) => line.includes('"store":"values"'))
      const stored = Object.fromEntries(kept.map((line) => [JSON.parse(line).key, valueOf(line)]))
      // Byte for byte what the page says, after the sidecar's own normalizer.
      for (const [kind, text] of Object.entries(sent.texts)) assert.equal(stored[kind], text, kind)
      texts[name] = sent.texts
      const second = await launch(name)
      try {
        const { call } = await open(second, site.origin)
        const back = await call('restoreZoo', options)
        assert.deepEqual([back.failed, back.skipped], [[], []])
        assert.equal(back.same, Object.keys(sent.texts).length)
        // A scan never saw the third: nobody told it that its key was used.
        assert.deepEqual([back.next, back.index], [mode === 'scan' ? 3 : 4, ['by name']])
        assert.deepEqual(back.progress, ['read', 'try', 'write'])
        console.log(`${name}, ${mode}: ${back.same} kinds and ${sent.keys.length} keys, ${back.records} records`)
      } finally {
        await second.quit()
      }
    })
  }

  test(`${name}: a CryptoKey is never sent`, { timeout: 120000 }, async () => {
    const browser = await launch(name)
    try {
      const { call } = await open(browser, site.origin)
      const { status, raw } = await call('cryptoKey', { ...server.to(`secret-${name}`), database: `secret-${name}` })
      assert.equal(status.phase, 'idle', status.message)
      const text = (await lines(`secret-${name}`)).join('\n')
      assert.match(text, /"kind":"CryptoKey","reason":"redacted"/)
      assert.ok(!text.includes(Buffer.from(raw).toString('base64')), 'its bytes are there')
    } finally {
      await browser.quit()
    }
  })
}

test('both browsers write the same bytes, but for what the list says', () => {
  const different = Object.keys(texts.chromium).filter((kind) => texts.chromium[kind] !== texts.firefox[kind])
  assert.deepEqual(Object.keys(texts.chromium).sort(), Object.keys(texts.firefox).sort())
  const unexpected = different.filter((kind) => !(kind in ENGINES_DIFFER))
  for (const kind of unexpected) console.log(kind, '\n', texts.chromium[kind].slice(0, 400), '\n', texts.firefox[kind].slice(0, 400))
  assert.deepEqual(unexpected, [])
  const bare = (text) => text.replace(/,"stack":"(?:[^"\\]|\\.)*"/g, '')
  for (const kind of different) assert.equal(bare(texts.chromium[kind]), bare(texts.firefox[kind]), kind)
})

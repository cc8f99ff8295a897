// RxDB in real browsers: backed up, restored in a fresh profile, and two-way through its own replication.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { files, launch, open, root, sidecar, stored } from './harness.mjs'

const { build } = createRequire(join(root, 'client/package.json'))('esbuild')

let site, server, content
before(async () => {
  site = await files()
  server = await sidecar(site.origin)
  const entryPoints = [join(root, 'tests/browser/page/rxdb.js')]
  // The page's module lies outside of the package that has RxDB.
  const nodePaths = [join(root, 'client/node_modules')]
  const made = await build({ entryPoints, nodePaths, bundle: true, format: 'iife', globalName: 'rx', target: 'es2022', write: false })
  content = made.outputFiles[0].text
})
after(async () => {
  await server.stop()
  site.stop()
})

/** A page with RxDB; `call(name, …)` calls one of its functions. */
async function page(browser) {
  const { page } = await open(browser, site.origin)
  await page.addScriptTag({ content })
  const call = (name, ...given) => page.evaluate((name, given) => globalThis.rx[name](...given), name, given)
  return Object.assign(call, { close: () => page.close() })
}

const until = async (what, is) => {
  for (let tries = 0; tries < 200; tries++) {
    if (await is()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.fail(what)
}

for (const name of ['chromium', 'firefox']) {
  for (const mode of ['oplog', 'scan']) {
    test(`${name}: RxDB is backed up and comes back, by ${mode}`, { timeout: 120000 }, async () => {
      const flow = `rxdb-${name}-${mode}`
      const options = { url: server.url, flow, mode }
      const first = await launch(name)
      let sent
      try {
        sent = await (await page(first))('backUp', options)
      } finally {
        await first.quit()
      }
      assert.deepEqual([sent.status.phase, sent.status.pending], ['idle', 0], sent.status.message)
      const second = await launch(name)
      try {
        const back = await (await page(second))('getBack', options)
        assert.deepEqual([back.records, back.skipped, back.sorted], [5, [], ['c', 'b']])
        assert.deepEqual(back.found, { documents: sent.documents, text: 'bytes' })
        assert.deepEqual([back.status.phase, back.status.pending], ['idle', 0], back.status.message)
      } finally {
        await second.quit()
      }
      const docs = (await stored(server.url, flow)).filter(({ store }) => store === 'docs')
      assert.deepEqual(docs.map(({ key, value }) => [key, value.title, value.n ?? 0, value._deleted]), [
        ['a', 'A', 1, '0'], ['b', 'B', 0, '0'], ['c', 'c', 2, '0'], ['d', 'again', 0, '0'],
      ])
    })
  }

  test(`${name}: RxDB in two browsers with two tabs each comes to the same`, { timeout: 240000 }, async () => {
    const options = { url: server.url, flow: `rxdb-${name}-two-way` }
    const browsers = [await launch(name), await launch(name)]
    try {
      const tabs = []
      for (const browser of browsers) for (let tab = 0; tab < 2; tab++) tabs.push(await page(browser))
      for (const tab of tabs) await tab('join', options)
      const everywhere = (what) => until(`not everywhere: ${what}`, async () => (await Promise.all(tabs.map((tab) => tab('shown')))).every((it) => it === what))
      const text = (...documents) => JSON.stringify(documents.map((it) => Object.entries(it).sort()))
      await tabs[0]('insert', { id: 'x', title: 'X', done: false })
      await tabs[3]('insert', { id: 'y', title: 'Y', done: false })
      await everywhere(text({ id: 'x', title: 'X', done: false }, { id: 'y', title: 'Y', done: false }))
      // Four tabs, at once.
      await Promise.all([
        tabs[0]('patch', 'x', { title: 'XX' }), tabs[1]('patch', 'y', { n: 1 }), tabs[2]('patch', 'x', { n: 2 }), tabs[3]('patch', 'x', { done: true }),
      ])
      await everywhere(text({ id: 'x', title: 'XX', done: true, n: 2 }, { id: 'y', title: 'Y', done: false, n: 1 }))
      await tabs[1]('remove', 'y')
      await everywhere(text({ id: 'x', title: 'XX', done: true, n: 2 }))
      // Another tab takes the lead.
      await tabs.shift().close()
      await tabs[0]('patch', 'x', { n: 3 })
      await everywhere(text({ id: 'x', title: 'XX', done: true, n: 3 }))
    } finally {
      for (const browser of browsers) await browser.quit()
    }
  })
}

// What the client costs, in real browsers. It prints, and only fails where something is out of all proportion.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { files, launch, open, sidecar } from './harness.mjs'

let site, server
before(async () => {
  site = await files()
  server = await sidecar(site.origin)
})
after(async () => {
  await server.stop()
  site.stop()
})

const call = (page, name, ...given) =>
  page.evaluate(async (name, given) => (await import('/tests/browser/page/costs.js'))[name](...given), name, given)
const shown = (number) => number.toFixed(number < 10 ? 3 : 0)

for (const name of ['chromium', 'firefox']) {
  test(`${name}: costs`, { timeout: 580000 }, async () => {
    const browser = await launch(name)
    try {
      const { page } = await open(browser, site.origin)
      const writes = await call(page, 'writes')
      for (const [way, { one, many }] of Object.entries(writes)) {
        console.log(`${name}: ${way}: ${shown(one)} ms a write in its own transaction, ${shown(many)} ms with 500 in one`)
      }
      const added = writes['IndexedDB, oplog'].one - writes['IndexedDB'].one
      assert.ok(added < 10, `${added} ms more a write`)
      const change = await call(page, 'oneChange', server.url)
      console.log(`${name}: ${change.bytes} bytes sent for one changed record of ${change.record} bytes JSON`)
      assert.ok(change.bytes < change.record + 600)
      const { initial, scan, getAll, bytes } = await call(page, 'scan', server.url, Number(process.env.RECORDS ?? 100000))
      assert.equal(initial.phase, 'idle', initial.message)
      console.log(`${name}: scan of 100,000 records: ${shown(scan)} ms (getAll alone ${shown(getAll)} ms), ${bytes} bytes sent for the one that changed`)
      console.log(`${name}: the first sync of them: ${shown(initial.milliseconds)} ms, ${initial.bytes} bytes`)
      assert.ok(scan < 60000, `${scan} ms`)
    } finally {
      await browser.quit()
    }
  })
}

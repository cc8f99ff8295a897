// The demo, as a newcomer uses it: type, go offline, edit in two browsers, conflict, history, restore.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { launch, root } from './harness.mjs'

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
const rows = (page) => page.$$eval('#rows tr', (rows) => rows.map((row) => [...row.querySelectorAll('input')].map(({ value }) => value).join()))

/** Waits until a page says what is expected. */
async function until(page, ask, expected) {
  let found
  for (let tries = 0; tries < 150; tries++) {
    found = await ask(page)
    if (JSON.stringify(found) === JSON.stringify(expected)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.deepEqual(found, expected)
}

test('the demo in a minute', { timeout: 120000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nifi-idb-demo-'))
  const [port, sidecar] = [await freePort(), await freePort()]
  const child = spawn(process.execPath, [join(root, 'examples/demo/serve.mjs'), folder], {
    env: { ...process.env, PORT: String(port), SIDECAR_PORT: String(sidecar) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const browser = await launch('chromium')
  try {
    const errors = []
    const visit = async (host) => {
      const page = await browser.newPage()
      page.on('pageerror', (error) => errors.push(String(error)))
      await page.goto(`http://${host}:${port}/`)
      await page.waitForSelector('.pill.idle')
      return page
    }
    const set = async (page, row, member, value) => {
      await page.bringToFront()
      const cell = (await page.$$(`#rows [data-cell$=".${member}"]`))[row]
      await cell.click({ clickCount: 3 })
      await cell.type(value)
      await page.keyboard.press('Tab')
    }
    const first = await visit('localhost')
    for (const [name, value] of [['name', 'apple'], ['index', 'fruit'], ['price', '1.2']]) await first.type(`#add [name=${name}]`, value)
    await first.click('#add button')
    await until(first, rows, ['apple,fruit,1.2'])
    await first.waitForFunction(() => [...document.querySelectorAll('#versions li')].some((line) => line.textContent.includes('+1')))

    const second = await visit('127.0.0.1')
    await until(second, rows, ['apple,fruit,1.2'])
    await second.click('#offline')
    await set(second, 0, 'price', '2')
    await until(second, (page) => page.$eval('#state', (state) => state.textContent), 'offline, 1 change waits')
    await set(first, 0, 'name', 'red apple')
    await first.waitForFunction(() => document.querySelectorAll('#versions li').length >= 4)
    await second.bringToFront()
    await second.click('#offline')
    await until(second, rows, ['red apple,fruit,2'])
    await first.bringToFront()
    await until(first, rows, ['red apple,fruit,2'])
    assert.match(await second.$eval('#events', (events) => events.textContent), /both changed: merged/)

    const buttons = await first.$$('#versions li')
    const then = (await Promise.all(buttons.map((line) => line.evaluate((line) => line.textContent)))).findIndex((text) => text.includes('+1'))
    await (await buttons[then].$('button')).click()
    await until(first, rows, ['apple,fruit,1.2'])
    await second.bringToFront()
    await until(second, rows, ['apple,fruit,1.2'])
    assert.deepEqual(errors, [])
    if (process.env.SCREENSHOT) {
      await first.setViewport({ width: 1180, height: 700 })
      await first.bringToFront()
      await first.screenshot({ path: process.env.SCREENSHOT })
    }
  } finally {
    await browser.quit()
    child.kill('SIGTERM')
    await new Promise((resolve) => child.once('exit', resolve))
    await rm(folder, { recursive: true, force: true })
  }
})

// Real browsers, the pages they open, and the sidecar that they speak to.

import { createServer } from 'node:http'
import { existsSync } from 'node:fs'
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'

import { otherEnd, stored } from '../../client/test/serve.js'

export { stored }

export const root = fileURLToPath(new URL('../..', import.meta.url))
// The package's own dependencies: there is one lock file.
const puppeteer = createRequire(join(root, 'client/package.json'))('puppeteer-core')

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.ndjson': 'text/plain', '.css': 'text/css' }

/** Serves the repository's files, on a name that browsers trust; SITE_PORT is its port, where somebody has to know it before. */
export async function files() {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname))
    try {
      if (path.includes('..')) throw new Error(path)
      const body = await readFile(join(root, path))
      response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' }).end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise((resolve) => server.listen(Number(process.env.SITE_PORT ?? 0), '127.0.0.1', resolve))
  return { origin: `http://localhost:${server.address().port}`, stop: () => server.close() }
}

const PROGRAMS = { chromium: process.env.CHROMIUM ?? '/usr/bin/chromium', firefox: process.env.FIREFOX ?? '/usr/bin/firefox-esr' }

/** A browser with a profile of its own, or with one that another left. */
export async function launch(name, left) {
  const executablePath = PROGRAMS[name]
  if (!existsSync(executablePath)) throw new Error(`NOT RUN, needs ${executablePath}: apt-get install --no-install-recommends chromium firefox-esr`)
  const profile = left ?? (await mkdtemp(join(tmpdir(), `nifi-idb-${name}-`)))
  // The library sets the preferences of the last run aside, and wants all of them to be there.
  if (left && name === 'firefox') await appendFile(join(profile, 'user.js'), '')
  const args = name === 'chromium' ? ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync', '--disable-dev-shm-usage'] : []
  const browser = await puppeteer.launch({
    browser: name === 'chromium' ? 'chrome' : 'firefox',
    executablePath,
    headless: true,
    userDataDir: profile,
    args,
    protocolTimeout: 600000,
  })
  return Object.assign(browser, {
    name,
    profile,
    /** It ends as if the machine had lost it. */
    kill: async () => {
      const child = browser.process()
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    },
    quit: async () => {
      await browser.close().catch(() => {})
      await rm(profile, { recursive: true, force: true, maxRetries: 5 }).catch(() => {})
    },
  })
}

/** A page with the helpers; `call(name, …)` calls one of them. */
export async function open(browser, origin) {
  const page = await browser.newPage()
  await page.goto(`${origin}/tests/browser/page/index.html`)
  const call = (name, ...given) =>
    page.evaluate(async (name, given) => (await import('/tests/browser/page/helpers.js'))[name](...given), name, given)
  return { page, call }
}

/** A sidecar on a git store of its own that lets these pages in; or NiFi before its own store, as `client/test/serve.js` says. */
export async function sidecar(origin) {
  const folder = await mkdtemp(join(tmpdir(), 'nifi-idb-store-'))
  const server = await otherEnd(`git:${join(folder, 'snapshots.git')}`, '--allow-origin', origin)
  return {
    ...server,
    stop: async () => {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** For all tests of a file: `site`, `server` and two `browsers`, Chromium and Firefox. They are there once the tests begin. */
export function lab() {
  const lab = { browsers: [] }
  before(async () => {
    lab.site = await files()
    lab.server = await sidecar(lab.site.origin)
    lab.browsers.push(await launch('chromium'), await launch('firefox'))
  })
  after(async () => {
    for (const browser of lab.browsers) await browser.quit()
    await lab.server.stop()
    lab.site.stop()
  })
  return lab
}

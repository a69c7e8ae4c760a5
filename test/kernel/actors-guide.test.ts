import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'

const root = new URL('../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

/** What an example prints, line by line. */
async function printed(name: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(new URL(`dist/examples/${name}.js`, root))], { timeout: 50_000 })
  return stdout.trimEnd().split('\n')
}

describe('docs/actors.md', () => {
  it('shows code of examples that are compiled and run here', () => {
    const sources = readdirSync(new URL('examples/', root)).map(name => read(`examples/${name}`))
    const blocks = [...read('docs/actors.md').matchAll(/```ts\n(.*?)```/gs)].map(match => match[1]!)
    expect(blocks.length).greaterThan(3)
    for (const block of blocks) expect(sources.some(source => source.includes(block)), block).equal(true)
  })

  it('the counter: asks, a refusal, a crash and a fresh state', async function () {
    const lines = await printed('counter')
    expect(lines.slice(0, 5)).deep.equal(['started app/counter', 'total 5050', 'refused: shared by nobody', 'failed app/counter', 'restarting app/counter'])
    expect(lines.slice(5).sort()).deep.equal(['restarted app/counter', 'stopped app/counter', 'total 0'])
  })

  it('a pool of actors in threads: shared work, a thread that ends by itself, and all of them again', async function () {
    const lines = await printed('thread-pool')
    expect(lines[0]).match(/^[0-9a-f]{16}$/)
    expect(lines.slice(1)).deep.equal([
      'handled by each 4 4 4', 'failed app/hashes/0 KernelError: thread hashing ended with code 1', 'the asker: app/hashes/0 crashed', 'all again 12',
    ])
  })

  it('an actor beside the node, under one supervisor', async function () {
    expect(await printed('beside-the-node')).deep.equal(['published 3'])
  })
})

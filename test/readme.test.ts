import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import type { P2pService, StreamItem } from '../src/index.js'
import { Program, describeProcesses, ran } from './cli/process.js'
import { until } from './support/until.js'

const root = new URL('../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const readme = read('README.md')
const snippets = [...readme.matchAll(/^```ts\n([^]*?)^```/gm)].map(match => match[1]!)

async function example(name: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(new URL(`dist/examples/${name}.js`, root))], { timeout: 50_000 })
  return stdout
}

describe('README', function () {

  it('shows the embedding example as it is compiled and run here', async () => {
    expect(snippets[0]).equal(read('examples/embedding.ts'))
    expect(await example('embedding')).to.equal('the follower accepted block 1000\n')
  })

  it('follows the chain: its loop runs, and deals with every kind of item', async () => {
    const items = [
      { kind: 'block', commitment: 'c', txList: 't', cursor: '1' }, { kind: 'rewind', to: 3n, cursor: '2' },
      { kind: 'skipped', from: 4n, to: 5n, cursor: '3' }, { kind: 'stalled', height: 6n },
    ] as unknown as readonly StreamItem[]
    const done: unknown[] = []
    const told = (name: string) => async (...args: unknown[]): Promise<void> => { done.push([name, ...args]) }
    const names = {
      service: { blocks: (options: Parameters<P2pService['blocks']>[0]) => { done.push(options.from); return items } }, cursor: undefined, signal: undefined,
      execute: told('execute'), saveCursor: told('saveCursor'), rollBackTo: told('rollBackTo'), loadFromL1: told('loadFromL1'),
      log: { warn: (fields: object, text: string) => { done.push([text, fields]) } },
    }
    const AsyncFunction = (async () => undefined).constructor as new (...code: string[]) => (...values: unknown[]) => Promise<void>
    await new AsyncFunction(...Object.keys(names), snippets[1]!)(...Object.values(names))
    expect(done).deep.equal([1_000n, ['execute', 'c', 't'], ['saveCursor', '1'], ['rollBackTo', 3n], ['saveCursor', '2'], ['loadFromL1', 4n, 5n], ['saveCursor', '3'],
      ['txlist is missing', { height: 6n }]])
  })

  it('shows a node under a supervisor as in examples/beside-the-node.ts, which test/kernel/actors-guide.test.ts runs', () => {
    const lines = read('examples/beside-the-node.ts').split('\n')
    expect(snippets[2]!.trimEnd().split('\n').filter(line => !lines.includes(line))).deep.equal([])
  })

  it('names only files, scripts and commands that are there', () => {
    const { scripts, version } = JSON.parse(read('package.json')) as { scripts: Record<string, string>, version: string }
    for (const page of ['README.md', 'CONTRIBUTING.md']) {
      for (const [, script] of read(page).matchAll(/npm run ([\w:-]+)/g)) expect(scripts, `${page}: npm run ${script}`).to.have.property(script!)
      for (const [, path] of read(page).matchAll(/`((?:examples|src|test|bench|scripts|docs)\/[\w./-]+)`/g)) expect(() => readFileSync(new URL(path!, root)), `${page}: ${path}`).not.to.throw('ENOENT')
    }
    expect(readme).to.contain(`preconfirmation-p2p-${version}.tgz`)
  })
})

const PEER = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'

describeProcesses('README: its commands', () => {
  let folder: string
  before(async () => { folder = await mkdtemp(join(tmpdir(), 'readme-')) })
  after(async () => { await rm(folder, { recursive: true, force: true, maxRetries: 5 }) })

  it('those of the command line run', async () => {
    const commands = [...readme.matchAll(/^ {4}npx preconfirmation-p2p (.*)$/gm)].map(match => match[1]!.replace(/ +#.*/, '').replaceAll('./', `${folder}/`).split(' '))
    expect(commands.map(([name]) => name)).to.include.members(['run', 'identity', 'store', 'signing'])
    const asking = commands.filter(args => args.includes('--data-dir') && args[0] !== 'run').map(args => args.map(arg => arg === '12D3KooW…' ? PEER : arg))
    expect(asking.map(([name]) => name)).to.include.members(['status', 'peers', 'why'])
    for (const args of commands.filter(([name]) => asking.every(each => each[0] !== name))) {
      const isNode = args[0] === 'run'
      // Ports that are free; nobody is looked for.
      const program = new Program(isNode ? [...args, '--listen', '/ip4/127.0.0.1/tcp/0', '--no-discovery'] : args)
      if (isNode) {
        await until(() => program.exited !== undefined || program.stderr.includes('the socket is open'), `listening\n${program.tail}`)
        for (const ask of asking) expect(await ran(ask), ask.join(' ')).deep.include({ code: 0, err: '' })
        program.signal('SIGTERM')
      }
      expect(await program.exits(), program.tail).deep.include({ code: 0 })
    }
  })

  it('a line that it sends to run --stdio has the answer that it shows', async () => {
    const [, sent, shown] = /^ {4}→ (.*)\n {4}← (.*)$/m.exec(readme)!
    const program = new Program(['run', '--stdio', '--signer', `0x${'11'.repeat(20)}`, '--listen', '/ip4/127.0.0.1/tcp/0', '--no-discovery', '--in-memory'])
    program.child.stdin!.end(`${sent}\n`)
    expect(await program.exits(), program.tail).deep.include({ code: 0 })
    const answer = program.stdout.map(line => JSON.parse(line) as { id?: unknown, result?: object }).find(({ id }) => id !== undefined)
    const expected = JSON.parse(shown!) as { id: unknown, result: object }
    expect([answer?.id, Object.keys(answer?.result ?? {})]).deep.equal([expected.id, Object.keys(expected.result)])
  })

  it('a program that signs by itself publishes: examples/signing-elsewhere.ts', async () => {
    expect(await example('signing-elsewhere')).equal('published true\n')
  })

  it('every option that it names is one of run; all of them are in docs/options.md', () => {
    const named = new Set([...read('docs/options.md').matchAll(/`(--[a-z][a-z0-9.-]+)`/g)].map(match => match[1]!))
    const rows = [...readme.matchAll(/^\| (`--.*?) \|/gm)].flatMap(match => [...match[1]!.matchAll(/(--[a-z][a-z0-9.-]+)/g)].map(([, option]) => option!))
    expect(rows).to.include.members(['--config', '--data-dir', '--listen'])
    for (const option of rows) expect(named, option).to.include(option)
  })
})

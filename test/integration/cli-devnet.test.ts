import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Program, describeProcesses } from '../cli/process.js'
import type { Line } from '../cli/process.js'
import { until } from '../support/until.js'

interface Summary {
  readonly ok: boolean
  readonly blocks: number
  readonly latency: { readonly samples: number; readonly p50Ms: number; readonly p99Ms: number }
  readonly catchUp: { readonly blocks: number; readonly ms: number }
  readonly chains: readonly {
    readonly node: string
    readonly same: boolean
    readonly txListsMissing: number
    readonly commitments: number
  }[]
  readonly nodes: readonly Line[]
  readonly failures: readonly string[]
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describeProcesses('devnet', () => {
  let folder: string
  beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'cli-devnet-')) })
  afterEach(async () => { await rm(folder, { recursive: true, force: true, maxRetries: 5 }) })

  /** A run whose temporary folders are in `folder`. */
  const devnet = (...args: string[]): Program => new Program(['devnet', ...args], { env: { TMPDIR: folder } })
  const lines = (program: Program): Line[] => program.stdout.map(line => JSON.parse(line) as Line)
  const pids = (program: Program): number[] =>
    lines(program)
      .filter(({ event }) => event === 'started')
      .map(({ pid }) => Number(pid))
  const summaryOf = (program: Program): Summary => {
    const last = lines(program).at(-1)
    expect(last, program.tail).to.have.property('event', 'summary')
    return last as unknown as Summary
  }
  /** Waits for so many published blocks. */
  const published = async (program: Program, count: number): Promise<unknown> =>
    until(
      () => program.exited !== undefined || lines(program).filter(({ event }) => event === 'published').length >= count,
      `${count} blocks\n${program.tail}`,
    )
  async function nothingLeft(program: Program): Promise<void> {
    await until(() => !pids(program).some(isAlive), 'every node ended')
    expect(await readdir(folder)).to.deep.equal([])
  }

  it('--json: four nodes hold the same chain, the late one too; the summary comes last; nothing is left', async () => {
    const program = devnet('--json', '--blocks', '16', '--blocks-per-second', '8')
    const { code } = await program.exits()
    expect(code, program.tail).to.equal(0)
    const { ok, blocks, latency, catchUp, chains, nodes, failures } = summaryOf(program)
    expect([ok, blocks, failures]).to.deep.equal([true, 16, []])
    expect(chains.map(({ node, same, txListsMissing }) => [node, same, txListsMissing])).to.have.deep.members(
      ['alice', 'bob', 'fred', 'lucy'].map(node => [node, true, 0]),
    )
    expect(new Set(chains.map(({ commitments }) => commitments))).to.have.property('size', 1)
    expect(latency.samples).to.be.at.least(32)
    expect(latency.p50Ms).to.be.within(0, latency.p99Ms)
    expect(catchUp.blocks).to.be.at.least(9)
    expect(catchUp.ms).to.be.above(0)
    for (const node of nodes) expect(node, JSON.stringify(node)).to.deep.include({ rejected: 0, head: '1015' })
    expect(nodes.map(({ published: own }) => Number(own) > 0)).to.deep.equal([true, true, false, false])
    const turns = lines(program).filter(({ event }) => event === 'published')
    expect(turns.map(({ kind }) => kind)).to.include.members(['block', 'last block', 'hand-over'])
    expect(new Set(turns.map(({ node }) => node))).to.have.property('size', 2)
    expect(pids(program)).to.have.length(4)
    expect(program.stderr).to.equal('')
    await nothingLeft(program)
  })

  it('without a terminal: plain lines without escape codes, legible at 80 columns, the summary at the end', async () => {
    const program = devnet('--blocks', '8', '--blocks-per-second', '50')
    const { code } = await program.exits()
    expect(code, program.tail).to.equal(0)
    expect(program.stdout.at(-1)).to.equal('All four nodes hold the same chain.')
    for (const line of program.stdout) expect(line.length, line).to.be.at.most(80)
    expect(program.stdout.join('\n')).not.to.match(/[\u0000-\u0009\u000b-\u001f\u007f]/)
    for (const name of ['alice', 'bob', 'fred', 'lucy'])
      expect(program.stdout.join('\n')).to.match(
        new RegExp(`^chain +${name} +8 commitments, the same hash by hash, all txlists$`, 'm'),
      )
  })

  it('a node that dies in the middle: the run ends soon, says so, and fails', async () => {
    const program = devnet('--json', '--blocks', '200', '--blocks-per-second', '8')
    await published(program, 4)
    const fred = lines(program).find(({ event, node }) => event === 'started' && node === 'fred')
    process.kill(Number(fred!['pid']), 'SIGKILL')
    const { code } = await program.exits()
    expect(code, program.tail).to.equal(1)
    const { ok, chains, failures } = summaryOf(program)
    expect(ok).to.equal(false)
    expect(failures).to.include('fred ended by itself: SIGKILL')
    expect(chains.find(({ node }) => node === 'fred')).to.include({ same: false })
    expect(chains.filter(({ same }) => same).map(({ node }) => node)).to.have.members(['alice', 'bob'])
    await nothingLeft(program)
  })

  it('SIGINT in the middle: ends soon, cleans up, and is no success', async () => {
    const program = devnet('--json', '--blocks', '200')
    await published(program, 2)
    program.signal('SIGINT')
    const { code } = await program.exits()
    expect(code, program.tail).to.equal(130)
    expect(summaryOf(program)).to.deep.include({ ok: false, failures: ['interrupted: stopped by SIGINT'] })
    await nothingLeft(program)
  })

  it('H32: a second signal ends it at once, even at the start, and leaves no node and no folder', async () => {
    const program = devnet('--json')
    await until(async () => (await readdir(folder).catch(() => [])).length > 0, 'its folder')
    program.signal('SIGTERM')
    program.signal('SIGTERM')
    expect((await program.exits()).code, program.tail).to.be.oneOf([143, 130])
    await nothingLeft(program)
  })

  it('when nobody reads it any more it ends, and cleans up', async () => {
    const program = devnet('--json')
    await until(() => program.stdout.length > 0, 'its first line')
    program.child.stdout!.destroy()
    expect(await program.exits()).to.deep.equal({ code: 1, signal: null })
    expect(await readdir(folder)).to.deep.equal([])
  })

  it('when it is killed itself, its nodes end too', async () => {
    const program = devnet('--json')
    await until(() => pids(program).length === 3, 'three nodes')
    program.signal('SIGKILL')
    await program.exits()
    await until(() => !pids(program).some(isAlive), 'every node ended')
  })
})

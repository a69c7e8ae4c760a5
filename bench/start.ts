import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fill } from '../test/campaigns/crash/fill.js'
import { alternate, describeSample, logVersions, table } from './harness.js'
import type { BenchOptions, BenchResult } from './harness.js'
import { BenchNode } from './net/nodes.js'
import type { NodeOptions, Role } from './net/wire.js'

export const about = 'process start to listening with 50,000 commitments stored; beside a node of the same libraries alone (libp2p, tcp, noise, yamux, identify, gossipsub). '
  + 'ratio: bare ÷ ours, so 0.5 is twice the time. --set stored=50000, --set prof=DIR writes CPU profiles'

const GOAL = 0.5
const ROUNDS = 7
const STORED = 50_000
/** The chain that `fill` writes stands on this block. */
const FILLED_TIP = 999

export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['libp2p', '@libp2p/gossipsub', 'piscina', 'classic-level', 'hash-wasm'])
  const dataDir = await mkdtemp(join(tmpdir(), 'start-'))
  const stored = Math.max(1_000, Math.round(Number(options.set['stored'] ?? STORED) * options.scale))
  const { prof } = options.set
  /** ms from the fork to its word that it listens. */
  const start = async (role: Role, nodeOptions: NodeOptions, round: number): Promise<number> => {
    const node = await BenchNode.start(role, nodeOptions, prof === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${prof}`, `--cpu-prof-name=${role}-${round}.cpuprofile`])
    const ms = node.started.atMs - node.forkedMs
    await node.stop()
    return ms
  }
  try {
    await fill({ dataDir, seed: 8, windowsFrom: String(Math.ceil(Date.now() / 1_000) - 86_400), cursorFile: '' }, stored)
    const memory: number[] = []
    const { subject, baseline, ratio } = await alternate({
      rounds: options.rounds ?? ROUNDS,
      subject: async round => {
        memory.push(await start('service', {}, -1))
        return start('service', { dataDir, tip: FILLED_TIP }, round)
      },
      baseline: async round => start('libp2p', {}, round),
    })
    const inverse = ratio.values.map(value => 1 / value).sort((a, b) => a - b)
    const middle = inverse[inverse.length >> 1]!
    memory.sort((a, b) => a - b)
    options.log(table(['ms to listening', ''], [
      ['bare libp2p', describeSample(baseline)],
      [`ours, ${stored} stored`, describeSample(subject)],
      ['ours, in memory', String(Math.round(memory[memory.length >> 1]!))],
    ]))
    return {
      bench: 'start',
      figures: { ms: subject.median, bareMs: baseline.median, memoryMs: memory[memory.length >> 1]!, stored, times: ratio.median, ratioMin: inverse[0]!, ratioMax: inverse.at(-1)! },
      ratio: middle, goal: GOAL, pass: middle >= GOAL,
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

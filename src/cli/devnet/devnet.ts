import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SIGNED_COMMITMENT_SIZE, loadCrypto, toHex } from '../../protocol/index.js'
import type { Display } from './display.js'
import { NodeProcess } from './node-process.js'
import { asText } from '../json.js'
import type { NodeLine } from './node-process.js'
import { CONFIRMED_TIP, Sequencer } from './sequencer.js'
import type { Piece } from './sequencer.js'
import type { Summary } from './summary.js'
import { Latencies, count, newTally } from './tally.js'
import type { Tally } from './tally.js'

export interface DevnetOptions {
  readonly blocksPerSecond: number
  readonly blocks: number
  readonly display: Display
  readonly signal: AbortSignal
}

/** Blocks in a window, where the speed allows: a window lasts whole seconds. */
const BLOCKS_PER_WINDOW = 8
/** The late node joins after this share of the blocks. */
const LATE_AFTER = 0.6
/** How long the nodes may take to agree after the last block, ms. */
const SETTLE_WITHIN = 20_000
const REDRAW = 200
/** Between the nodes' start and the first block, s: the mesh forms in a few heartbeats. */
const LEAD = 3

/**
 * The main job. 1. Two preconfers and a follower start and connect. 2. The preconfers publish, each in its windows. 3. A late node joins
 * and catches up. 4. When all hold the last block, their chains and txlists are read back and compared. 5. Everything is removed again.
 */
export async function runDevnet({ blocksPerSecond, blocks, display, signal }: DevnetOptions): Promise<Summary> {
  const began = performance.now()
  const folder = await mkdtemp(join(tmpdir(), 'preconf-devnet-'))
  const net = new Devnet(folder, display)
  const crypto = await loadCrypto()
  const windowSeconds = Math.max(1, Math.round(BLOCKS_PER_WINDOW / blocksPerSecond))
  const redraw = setInterval(() => net.show(blocks, (performance.now() - began) / 1_000), REDRAW)
  try {
    // The schedule is told by files that every node reads; the first block comes when they are up.
    const sequencer = new Sequencer({ startsAt: Math.ceil(Date.now() / 1_000) + LEAD + 4, blocks, blocksPerSecond, windowSeconds }, crypto)
    await writeFile(join(folder, 'schedule.json'), JSON.stringify(sequencer.schedule()))
    const alice = await net.start('alice', 'preconfer', [])
    const bob = await net.start('bob', 'preconfer', [alice])
    const fred = await net.start('fred', 'follower', [alice, bob])

    const pieces: Piece[] = []
    let joining: Promise<{ late: NodeProcess; behind: number; ms: number | undefined }> | undefined
    for await (const piece of sequencer.pieces()) {
      await until(piece.at, signal)
      await net.publish(piece, piece.preconfer === 0 ? alice : bob)
      pieces.push(piece)
      if (joining === undefined && piece.index >= blocks * LATE_AFTER) joining = net.join([fred, bob])
    }
    const joined = await joining
    await net.settled(pieces, SETTLE_WITHIN, signal)
    const chains = await net.compare(pieces)
    return {
      ok: chains.every(({ same, txListsMissing }) => same && txListsMissing === 0) && joined?.ms !== undefined && net.failures.length === 0,
      seconds: (performance.now() - began) / 1_000,
      published: pieces.length,
      txListBytes: pieces.reduce((sum, { txList }) => sum + (txList?.length ?? 0), 0),
      latency: { samples: net.latencies.count, p50Ms: net.latencies.quantile(0.5), p99Ms: net.latencies.quantile(0.99) },
      catchUp: { blocks: joined?.behind ?? 0, ms: joined?.ms },
      chains, nodes: net.tallies, failures: net.failures,
    }
  } finally {
    clearInterval(redraw)
    await net.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function until(unixSeconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const wait = unixSeconds * 1_000 - Date.now()
  if (wait > 0) await sleep(wait, undefined, { signal })
}

/** The nodes of one run, and what has been seen of them. */
class Devnet {
  readonly #nodes: NodeProcess[] = []
  readonly latencies = new Latencies()
  readonly tallies: Tally[] = []
  readonly failures: string[] = []
  #published = 0

  constructor(private readonly folder: string, private readonly display: Display) {}

  show(of: number, seconds: number): void { this.display.show(this.tallies, { published: Math.min(this.#published, of), of, seconds }) }

  async start(name: string, role: string, peers: readonly NodeProcess[]): Promise<NodeProcess> {
    const tally = newTally(name, role)
    this.tallies.push(tally)
    tally.state = 'starting'
    const node = await NodeProcess.start(name, [
      '--listen', '/ip4/127.0.0.1/tcp/0', '--data-dir', join(this.folder, name), '--schedule', join(this.folder, 'schedule.json'),
      '--confirmed-tip', String(CONFIRMED_TIP), '--log-level', 'warn', ...peers.flatMap(({ address }) => ['--peer', address]),
    ], line => this.#seen(tally, line))
    tally.state = 'following'
    this.#nodes.push(node)
    this.display.happened({ event: 'started', text: `${name} (${role}) listens on ${node.address}`, fields: { node: name, role, address: node.address } })
    return node
  }

  async publish({ blockNumber, kind, ssz, hash, txList }: Piece, by: NodeProcess): Promise<void> {
    try {
      if (txList !== undefined) await by.call('publishTxList', { txlist: toHex(txList) })
      this.latencies.published(toHex(hash), performance.timeOrigin + performance.now())
      await by.call('publishCommitment', { ssz: toHex(ssz) })
      if (kind !== 'hand-over') this.#published++
      this.display.happened({
        event: 'block', text: `${by.name} published ${kind} ${blockNumber}${txList === undefined ? '' : ` with ${(txList.length / 1_024).toFixed(0)} KiB`}`,
        fields: { node: by.name, kind, blockNumber, hash },
      })
    } catch (error) {
      this.#fail(`${by.name} could not publish ${kind} ${blockNumber}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  /** Starts the late node; resolves when it holds what the others held when it came. */
  async join(peers: readonly NodeProcess[]): Promise<{ late: NodeProcess; behind: number; ms: number | undefined }> {
    const target = this.tallies.reduce((highest, { head }) => head > highest ? head : highest, 0n)
    const late = await this.start('lucy', 'late joiner', peers)
    const began = performance.now()
    const tally = this.tallies.at(-1)!
    tally.state = 'catching up'
    while (tally.head < target && performance.now() - began < SETTLE_WITHIN) await sleep(5)
    const caughtUp = tally.head >= target
    const ms = performance.now() - began
    if (caughtUp) tally.state = 'following'
    const behind = Number(target - CONFIRMED_TIP)
    this.display.happened({ event: 'caughtUp', text: caughtUp ? `lucy caught up ${behind} blocks in ${ms.toFixed(0)} ms` : 'lucy did not catch up', fields: { behind, ms: caughtUp ? ms : undefined } })
    return { late, behind, ms: caughtUp ? ms : undefined }
  }

  /** Until every node's head is the last block and its txlists are there, or the time is over. */
  async settled(pieces: readonly Piece[], within: number, signal: AbortSignal): Promise<void> {
    const last = pieces.findLast(({ kind }) => kind !== 'hand-over')
    const deadline = performance.now() + within
    while (performance.now() < deadline) {
      signal.throwIfAborted()
      if (this.tallies.every(({ head }) => head === last?.blockNumber) && await this.#nothingMissing(pieces)) return
      await sleep(100)
    }
  }

  /** Reads every node's own chain back and holds it against what was published. */
  async compare(pieces: readonly Piece[]): Promise<Summary['chains']> {
    const expected = pieces.map(({ ssz }) => toHex(ssz))
    return Promise.all(this.#nodes.map(async node => {
      const held = await this.#chainOf(node)
      const at = Array.from({ length: Math.max(held.length, expected.length) }, (_, index) => index).find(index => held[index] !== expected[index])
      return {
        node: node.name, commitments: held.length, same: at === undefined,
        firstDifference: at === undefined ? undefined : `at place ${at}, block ${pieces[at]?.blockNumber ?? 'beyond the end'}`,
        txListsMissing: await this.#missingTxLists(node, pieces),
      }
    }))
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map(async node => node.stop()))
  }

  async #chainOf(node: NodeProcess): Promise<readonly string[]> {
    const held: string[] = []
    for (let start = CONFIRMED_TIP + 1n; ;) {
      const { commitments } = await node.call('stored', { start: String(start), max: '256' }) as { commitments: readonly string[] }
      held.push(...commitments)
      if (commitments.length === 0) return held.filter((ssz, index) => ssz.length === 2 * SIGNED_COMMITMENT_SIZE && held.indexOf(ssz) === index)
      start += 256n
    }
  }

  async #missingTxLists(node: NodeProcess, pieces: readonly Piece[]): Promise<number> {
    let missing = 0
    for (const { txList, ssz } of pieces) {
      if (txList === undefined) continue
      const { txlist } = await node.call('storedTxList', { hash: toHex(ssz.subarray(149, 181)) })
      if (txlist !== toHex(txList)) missing++
    }
    return missing
  }

  async #nothingMissing(pieces: readonly Piece[]): Promise<boolean> {
    const counts = await Promise.all(this.#nodes.map(async node => this.#missingTxLists(node, pieces.slice(-4))))
    return counts.every(missing => missing === 0)
  }

  #seen(tally: Tally, line: NodeLine): void {
    count(tally, line)
    if (line.event === 'commitment' && line['from'] !== null && tally.state === 'following') this.latencies.accepted(asText(line['hash']), line.at)
    if (line.event === 'actorFailed') this.#fail(`${tally.name}: ${asText(line['actor'])} failed`)
  }

  #fail(text: string): void {
    this.failures.push(text)
    this.display.happened({ event: 'failure', text })
  }
}

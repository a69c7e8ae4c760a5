import { rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { toHex } from '../../protocol/index.js'
import { asText } from '../../operate/json.js'
import type { Json, JsonObject } from '../../operate/json.js'
import type { Display, Happening } from './display.js'
import { NodeProcess } from './node-process.js'
import type { NodeLine } from './node-process.js'
import { CONFIRMED_TIP } from './sequencer.js'
import type { Piece } from './sequencer.js'
import { Latencies, count, newTally } from './tally.js'
import type { Tally } from './tally.js'

/** How long the first nodes may take until each is in the mesh of the others, ms. They publish then all the same. */
const MESH_WITHIN = 60_000
const LOOK_EVERY = 50

/** The nodes of one run, their folder, and what has been seen of them. */
export class Nodes {
  readonly #processes: NodeProcess[] = []
  readonly #over = new AbortController()
  readonly #removeAll = (): void => {
    this.#kill()
  }
  /** Hashes of what each node has said to have stored, hex. */
  readonly #stored = new Map<string, Set<string>>()
  /** What each node has confirmed, by its L2 client. */
  readonly confirmed = new Map<string, bigint>()
  readonly tallies: Tally[] = []
  readonly latencies = new Latencies()
  readonly failures: string[] = []
  /** Who built each block so far. */
  readonly builders: number[] = []

  /** How the nodes know who may sign. */
  #schedule: readonly string[] = []

  private constructor(
    private readonly folder: string,
    private readonly display: Display,
    interrupted: AbortSignal,
  ) {
    interrupted.addEventListener(
      'abort',
      () => {
        this.#end(interrupted.reason)
      },
      { once: true },
    )
    if (interrupted.aborted) this.#end(interrupted.reason)
    // Also when the process is ended at once, or fails: nothing is left behind.
    process.once('exit', this.#removeAll)
  }

  static async create(display: Display, interrupted: AbortSignal): Promise<Nodes> {
    return new Nodes(await mkdtemp(join(tmpdir(), 'preconf-devnet-')), display, interrupted)
  }

  /** Aborted when the run cannot go on: it is interrupted, or a node has ended by itself. */
  get over(): AbortSignal {
    return this.#over.signal
  }
  get alive(): readonly NodeProcess[] {
    return this.#processes.filter(({ alive }) => alive)
  }
  get all(): readonly NodeProcess[] {
    return this.#processes
  }
  /** How many of these commitments and txlists the node has not said to have stored. */
  lacks(name: string, pieces: readonly Piece[]): number {
    const stored = this.#stored.get(name)
    const lacking = (hash: Uint8Array): number => (stored?.has(toHex(hash)) === true ? 0 : 1)
    return pieces.reduce(
      (sum, { hash, txList, txListHash }) => sum + lacking(hash) + (txList === undefined ? 0 : lacking(txListHash)),
      0,
    )
  }

  tally(name: string): Tally {
    return this.tallies.find(tally => tally.name === name)!
  }

  async writeSchedule(schedule: Json): Promise<void> {
    const file = join(this.folder, 'schedule.json')
    await writeFile(file, JSON.stringify(schedule))
    this.#schedule = ['--schedule', file]
  }

  /** The nodes follow L1 instead, by these options. */
  followL1(options: readonly string[]): void { this.#schedule = options }

  /** A row for a node that is still to come. */
  expect(name: string, role: string): void {
    this.tallies.push(newTally(name, role))
    this.#stored.set(name, new Set())
  }

  /** Starts an expected node; resolves when it listens. */
  async start(name: string, peers: readonly NodeProcess[] = [], more: readonly string[] = []): Promise<NodeProcess> {
    this.over.throwIfAborted()
    const tally = this.tally(name)
    tally.state = 'starting'
    const node = new NodeProcess(
      name,
      [
        ...['--listen', '/ip4/127.0.0.1/tcp/0'],
        ...['--data-dir', join(this.folder, name)],
        ...this.#schedule,
        ...['--confirmed-tip', String(CONFIRMED_TIP)],
        ...['--log-level', 'warn'],
        ...more,
        ...peers.flatMap(({ address }) => ['--peer', address]),
      ],
      line => this.#seen(tally, line),
    )
    this.#processes.push(node)
    void node.exited.then(how => this.#ended(node, tally, how))
    await node.ready()
    tally.state = 'following'
    this.display.happened({
      event: 'started',
      text: `${name} listens on ${node.address.replace(/(\/p2p\/.{6}).*(.{4})$/, '$1…$2')}`,
      fields: { node: name, role: tally.role, pid: node.pid, peerId: node.peerId, address: node.address },
    })
    return node
  }

  /** Connects the nodes to each other, and waits until each has the others in its meshes. */
  async mesh(nodes: readonly NodeProcess[]): Promise<void> {
    await Promise.all(
      nodes.flatMap((node, at) => nodes.slice(at + 1).map(async other => node.call('dial', { addr: other.address }))),
    )
    const deadline = performance.now() + MESH_WITHIN
    while (performance.now() < deadline) {
      const meshed = await Promise.all(
        nodes.map(async node => {
          const { peers } = (await node.call('peers')) as {
            peers: readonly { mesh: { commitments: boolean; txLists: boolean } }[]
          }
          return peers.filter(({ mesh }) => mesh.commitments && mesh.txLists).length >= nodes.length - 1
        }),
      )
      if (meshed.every(Boolean)) return
      await sleep(LOOK_EVERY, undefined, { signal: this.over })
    }
  }

  turnsOver(): void {
    for (const tally of this.tallies) if (tally.state === 'its turn') tally.state = 'following'
  }

  /** The txlist, and the commitment right behind it (SPEC §6). */
  async publish({ blockNumber, kind, turn, ssz, hash, txList }: Piece, by: NodeProcess, preconfer: number): Promise<void> {
    this.turnsOver()
    this.tally(by.name).state = 'its turn'
    if (txList !== undefined) await by.call('publishTxList', { txlist: toHex(txList) })
    this.latencies.published(toHex(hash), performance.timeOrigin + performance.now())
    await by.call('publishCommitment', { ssz: toHex(ssz) })
    if (kind !== 'hand-over') this.builders.push(preconfer)
    const what =
      kind === 'hand-over'
        ? 'hands over'
        : `publishes ${blockNumber}, ${(txList!.length / 1_024).toFixed(0)} KiB${kind === 'last block' ? ', and hands over' : ''}`
    this.display.happened({
      event: 'published',
      text: `${by.name} ${what}`,
      fields: { node: by.name, kind, turn, blockNumber, hash, txListBytes: txList?.length ?? 0 },
    })
  }

  say(happening: Happening): void {
    this.display.happened(happening)
  }

  fail(text: string): void {
    if (this.failures.includes(text)) return
    this.failures.push(text)
    this.display.happened({ event: 'failure', text })
  }

  /** Ends all nodes cleanly and removes the folder. */
  async remove(): Promise<void> {
    await Promise.all(this.#processes.map(async node => node.stop()))
    await rm(this.folder, { recursive: true, force: true })
    process.off('exit', this.#removeAll)
  }

  #kill(): void {
    for (const node of this.#processes) node.kill()
    // A node that is being killed may still write: then what it wrote stays.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }

  #end(reason: unknown): void {
    this.#over.abort(reason)
  }

  #seen(tally: Tally, line: NodeLine): void {
    count(tally, line)
    if (line.event === 'stored') this.#stored.get(tally.name)?.add(asText(line['hash']))
    if (line.event === 'tipConfirmed') this.confirmed.set(tally.name, BigInt(asText(line['blockNumber'])))
    if (line.event === 'commitment' && line['from'] !== null && tally.state !== 'syncing')
      this.latencies.accepted(asText(line['hash']), line.at)
    if (line.event === 'actorFailed')
      this.fail(`${tally.name}: ${asText(line['actor'])} failed: ${asText((line['error'] as JsonObject)['message'])}`)
  }

  #ended(node: NodeProcess, tally: Tally, how: string): void {
    tally.peers.clear()
    tally.state = node.stopping || this.over.aborted ? 'stopped' : 'ended'
    if (tally.state === 'stopped') return
    this.fail(`${tally.name} ended by itself: ${how}`)
    for (const line of node.lastLog.slice(-3)) this.fail(`${tally.name} said: ${line.slice(0, 300)}`)
    this.#end(new Error(`${tally.name} ended`))
  }
}

import { randomUUID } from 'node:crypto'
import { silentLogger, supervisor, systemClock, systemRandom } from '../../src/actors/kernel/index.js'
import type { Random, Supervisor } from '../../src/actors/kernel/index.js'
import { Wake } from '../../src/actors/service/wake.js'
import { sourceOf } from '../../src/actors/service/sinks.js'
import { sinkActor } from '../../src/actors/sink/actor.js'
import { SinkActor } from '../../src/actors/sink/ingress.js'
import type { SinkFigures } from '../../src/actors/sink/ingress.js'
import { itemOf } from '../../src/actors/sink/message.js'
import type { OrderedSource } from '../../src/actors/sink/ports.js'
import type { Sink, StoredMessage } from '../../src/actors/sink/sink.js'
import { storeOver } from '../../src/actors/store/actor.js'
import type { CommitmentPut, WriteBatch } from '../../src/actors/store/database.js'
import { Store } from '../../src/actors/store/ingress.js'
import type { StorePorts } from '../../src/actors/store/ingress.js'
import { MemoryGround } from '../../src/actors/store/memory.js'
import { OFFSETS, toHex } from '../../src/protocol/index.js'
import type { StreamItem } from '../../src/protocol/stream-item.js'
import { commitment, hashOf } from '../store/fixtures.js'

export const CHAIN_ID = 167_000n
const WITHIN = 10_000

/** A linked chain above a parent. Variants tell blocks of one height apart. */
export function linked(from: bigint, count: number, variant = 0, parent: Uint8Array = new Uint8Array(32)): CommitmentPut[] {
  const made: CommitmentPut[] = []
  for (let at = 0; at < count; at++) {
    const txList = txListOf(from + BigInt(at), variant)
    txLists.set(toHex(hashOf(txList)), txList)
    const put = commitment({ height: from + BigInt(at), variant: variant % 250, txList })
    const ssz = put.ssz.slice()
    ssz.set(made.at(-1)?.hash ?? parent, OFFSETS.parentPreconfirmationHash)
    made.push({ ...put, ssz, hash: hashOf(ssz) })
  }
  return made
}

/** Every txlist that was made, by its hash. */
const txLists = new Map<string, Uint8Array>()

const txListOf = (height: bigint, variant: number): Uint8Array => new TextEncoder().encode(`txlist of ${height}, ${variant}`)

/** A node as a sink sees it: the real store in memory, and the real ordered stream over it. What it holds outlives `stop`. */
export class StageNode {
  readonly #ground = new MemoryGround()
  /** Canonical, from `first` on. */
  readonly chain: CommitmentPut[] = []
  tip: bigint | undefined
  news = new Wake()
  source!: OrderedSource
  root!: Supervisor
  #store!: Store
  #sequence = 0
  #written: (sequence: number) => void = () => undefined

  private constructor(readonly first: bigint, private readonly random: Random) {}

  static async start({ first = 1n, random = systemRandom }: { readonly first?: bigint; readonly random?: Random } = {}): Promise<StageNode> {
    const node = new StageNode(first, random)
    await node.open()
    return node
  }

  async open(): Promise<void> {
    const quiet = { send: () => 'ok' as const }
    this.root = supervisor('stage', { clock: systemClock, random: this.random, log: silentLogger })
    const chain: StorePorts['chain'] = {
      send: message => {
        if (message.type === 'durable') this.#written(message.sequence)
        return 'ok'
      },
    }
    const ref = this.root.child('store', () => storeOver(() => this.#ground.database(), { chain, answers: quiet, events: quiet }))
    await this.root.start()
    this.#sequence = 0
    this.#store = new Store(ref)
    this.news = new Wake()
    const standing = async () => ({ confirmedTip: this.tip === undefined ? undefined : { blockNumber: this.tip } })
    this.source = sourceOf({ store: this.#store, chain: { standing } as never, news: this.news, clock: systemClock })
  }

  get head(): bigint { return this.first + BigInt(this.chain.length) - 1n }
  get hashes(): string[] { return this.chain.map(({ hash }) => toHex(hash)) }

  async append(count: number, variant = 0): Promise<void> {
    const made = linked(this.head + 1n, count, variant, this.chain.at(-1)?.hash)
    await this.take(made)
  }

  /** Takes blocks that another node has made, with their txlists. */
  async take(made: readonly CommitmentPut[]): Promise<void> {
    const lists = made.map(({ ssz }, at) => {
      const hash = ssz.slice(OFFSETS.rawTxListHash, OFFSETS.rawTxListHash + 32)
      return { hash, bytes: txLists.get(toHex(hash))!, blockNumber: this.head + 1n + BigInt(at) }
    })
    this.chain.push(...made)
    await this.#write({ commitments: made, txLists: lists })
  }

  async rewind(to: bigint): Promise<void> {
    this.chain.splice(Number(to - this.first + 1n))
    await this.#write({ rewindTo: to })
  }

  /** Has the chain of another node, as its own node would come by it. */
  async follow(other: StageNode): Promise<void> {
    const common = this.chain.findIndex((put, at) => other.chain[at] === undefined || toHex(other.chain[at].hash) !== toHex(put.hash))
    if (common >= 0) await this.rewind(this.first + BigInt(common) - 1n)
    const rest = other.chain.slice(this.chain.length)
    if (rest.length > 0) await this.take(rest)
  }

  /** Puts a sink beside its rooms. `kill` ends it where it stands. */
  sink(sink: Sink, source: OrderedSource = this.source): StageSink {
    const name = `sink-${randomUUID()}`
    const ref = new SinkActor(this.root.child(name, () => sinkActor({ source, chainId: CHAIN_ID }, sink), { stopWithin: 10_000 }))
    return { figures: () => ref.figures(WITHIN), stop: () => this.root.remove(name) }
  }

  async stop(): Promise<void> { await this.root.stop() }

  async restart(): Promise<void> {
    await this.stop()
    await this.open()
  }

  async #write(batch: WriteBatch): Promise<void> {
    const sequence = ++this.#sequence
    await new Promise<void>(resolve => {
      this.#written = durable => { if (durable === sequence) resolve() }
      void this.#store.write(sequence, undefined, batch)
    })
    this.news.wake()
  }
}

export interface StageSink { figures(): Promise<SinkFigures>; stop(): Promise<void> }

/** What a reader has that folds items, and what the stream said against its own contract. */
export class Fold {
  readonly chain = new Map<bigint, string>()
  readonly complaints: string[] = []
  rewinds = 0
  items = 0

  add(item: StreamItem): void {
    this.items++
    const highest = [...this.chain.keys()].at(-1) ?? -1n
    if (item.kind === 'block') {
      if (item.blockNumber <= highest) this.complaints.push(`block ${item.blockNumber} after ${highest}`)
      this.chain.set(item.blockNumber, toHex(item.hash))
    } else if (item.kind === 'rewind') {
      this.rewinds++
      for (const height of [...this.chain.keys()].reverse()) if (height > item.to) this.chain.delete(height); else break
    } else if (item.kind === 'skipped' && item.from <= highest) this.complaints.push(`skipped ${item.from} to ${item.to} after ${highest}`)
  }

  get hashes(): string[] { return [...this.chain.values()] }
}

export function foldOf(messages: readonly StoredMessage[]): Fold {
  const fold = new Fold()
  for (const message of messages) fold.add(itemOf(message))
  return fold
}

export const sameChain = (fold: Fold, node: StageNode): boolean =>
  fold.chain.size === node.chain.length && fold.hashes.every((hash, at) => hash === toHex(node.chain[at]!.hash))

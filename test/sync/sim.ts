/** A chain, peers that serve it or lie about it, and the rooms around sync, all on the manual clock. No network, no threads, no real time. */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { Chain } from '../../src/actors/chain/ingress.js'
import type { ChainMessage, ChainStatus } from '../../src/actors/chain/ingress.js'
import type { Judgement, Outcomes } from '../../src/actors/chain/ports.js'
import { seconds } from '../../src/actors/kernel/index.js'
import type { Ref } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import type { TestKit, TestProbe } from '../../src/actors/kernel/testing/index.js'
import { NetworkHandle } from '../../src/actors/network/ingress.js'
import type { NetworkCommand, RequestKind } from '../../src/actors/network/ingress.js'
import { Store } from '../../src/actors/store/ingress.js'
import type { StoreMessage } from '../../src/actors/store/ingress.js'
import { sync } from '../../src/actors/sync/index.js'
import { Sync } from '../../src/actors/sync/ingress.js'
import type { SyncConfig, SyncEvent, SyncMessage } from '../../src/actors/sync/index.js'
import { Validator } from '../../src/actors/validator/ingress.js'
import type { ValidatorMessage } from '../../src/actors/validator/ingress.js'
import {
  CommitmentView, GetCommitmentsByNumberRequestCodec, GetRawTxListResponseCodec, PreconfHeadCodec, SignedCommitmentCodec, packPage, toHex,
} from '../../src/protocol/index.js'
import { VirtualDriver } from './virtual-driver.js'
import type { Remote } from './virtual-driver.js'

// ---- commitments

const ZERO32 = new Uint8Array(32)
const hashes = new Map<string, Uint8Array>()
/** Kept: the same chains are made, served and judged again and again, and hashing would be most of what these tests do. */
export function hashOf(commitment: Uint8Array): Uint8Array {
  const key = Buffer.from(commitment.buffer, commitment.byteOffset, 297).toString('latin1')
  let hash = hashes.get(key)
  if (hash === undefined) hashes.set(key, hash = keccak_256(commitment.subarray(0, 297)))
  return hash
}

export interface BlockOptions { readonly parent?: Uint8Array; readonly fork?: number; readonly forged?: boolean; readonly handover?: boolean }

/** A commitment in the right form. Its signature is not real: the fake validator reads its first byte. */
export function block(height: bigint, { parent = ZERO32, fork = 0, forged = false, handover = false }: BlockOptions = {}): Uint8Array {
  const signature = new Uint8Array(65)
  signature[0] = forged ? 0xff : 1
  return SignedCommitmentCodec.encode({
    commitment: {
      preconf: {
        eop: handover, blockNumber: height, timestamp: height * 2n, gasLimit: BigInt(fork), coinbase: new Uint8Array(20), anchorBlockNumber: 1n,
        rawTxListHash: handover ? ZERO32 : keccak_256(new TextEncoder().encode(`${height}/${fork}`)), parentPreconfirmationHash: parent,
        submissionWindowEnd: height / 8n, proverAuth: new Uint8Array(20), proposalId: 0n,
      },
      slasherAddress: new Uint8Array(20),
    },
    signature,
  })
}

/** Linked commitments of heights `from` to `to`, in page order; `handovers` stand before the blocks of their heights. */
export function chainOf(from: bigint, to: bigint, options: { parent?: Uint8Array; fork?: number; handovers?: readonly bigint[] } = {}): Uint8Array[] {
  const made: Uint8Array[] = []
  let parent = options.parent ?? ZERO32
  for (let height = from; height <= to; height++) {
    if (options.handovers?.includes(height) === true) {
      const handover = block(height, { parent, handover: true })
      made.push(handover)
      parent = hashOf(handover)
    }
    const next = block(height, { parent, fork: options.fork ?? 0 })
    made.push(next)
    parent = hashOf(next)
  }
  return made
}

const heights = new WeakMap<Uint8Array, bigint>()
export function heightOf(commitment: Uint8Array): bigint {
  let height = heights.get(commitment)
  if (height === undefined) heights.set(commitment, height = new CommitmentView(commitment).blockNumber)
  return height
}

function firstOf(chain: readonly Uint8Array[], max: number, serves: (height: bigint) => boolean): Uint8Array[] {
  const page: Uint8Array[] = []
  for (const each of chain) {
    if (page.length >= max) break
    if (serves(heightOf(each))) page.push(each)
  }
  return page
}

// ---- peers

export type Serve = (start: bigint, max: number) => readonly Uint8Array[] | Uint8Array | 'silent'

export interface PeerModel {
  readonly name: string
  agent: string
  /** `undefined`: zeros. */
  head: () => bigint | undefined
  page: Serve
  txList: (hash: string) => Uint8Array | undefined | 'silent'
  /** In place of what `txList` gives: the whole response. */
  txListBody?: (hash: Uint8Array) => Uint8Array
  latencyMs: number
  /** Every request: what, when (monotonic ms), and its body. */
  readonly requests: { readonly kind: RequestKind; readonly at: number; readonly start: bigint; readonly count: number }[]
  /** Told of each request before it is answered; may throw (a ban). */
  onRequest?: (kind: RequestKind, at: number) => void
  /** A request that it has was given up. */
  onAborted?: (kind: RequestKind) => void
  /** The connection closed with so many of its answers not delivered. */
  onLeft?: (unanswered: number) => void
}

/** Heights `start` to `start + max − 1`, at most `max`: as some read `maxCount`. */
export const inRange = (chain: readonly Uint8Array[]): Serve => (start, max) =>
  firstOf(chain, max, height => height >= start && height < start + BigInt(max))

/** The first `max` at or above `start`: as our store serves, and reference nodes (H89). */
export const fromOn = (chain: readonly Uint8Array[]): Serve => (start, max) => firstOf(chain, max, height => height >= start)

export const topOf = (chain: readonly Uint8Array[]): bigint | undefined => chain.length === 0 ? undefined : heightOf(chain.at(-1) as Uint8Array)

// ---- the rooms around

export interface Sim {
  readonly kit: TestKit
  readonly sync: Sync
  readonly ref: Ref<SyncMessage>
  readonly events: TestProbe<SyncEvent>
  readonly outcomes: TestProbe<{ type: 'report'; peer: string; outcome: 'accepted' | 'failure' }>
  readonly chain: FakeChain
  readonly peers: Map<string, PeerModel>
  readonly store: { missing: { hash: Uint8Array; blockNumber: bigint; signer?: Uint8Array }[] }
  /** Reports of failures, by peer. */
  failures(): Record<string, number>
  join(model: PeerModel): void
  /** Its connection breaks. */
  leave(name: string): void
  readonly driver: VirtualDriver
  /** Stops it as it stops, and puts another one in its place, without peers. */
  restartDriver(): Promise<void>
  /** Runs a catch-up to its end on the manual clock. */
  catchUp(withinMs?: number): Promise<Awaited<ReturnType<Sync['sync']>>>
  /** Ends the actor's incarnation as a fault in it would; its supervisor starts the next. */
  crash(): void
  hashAt(height: bigint): Uint8Array
  readonly txListsJudged: { readonly peer: string; readonly hash: string }[]
}

/** What chain and validator do with a page, in miniature: forged → reject, linked → accepted, else pending or duplicate. */
export class FakeChain {
  readonly byHash = new Map<string, Uint8Array>()
  readonly canonical: Uint8Array[] = []
  headHash: Uint8Array
  next: bigint | undefined
  tip: bigint | undefined
  unstored = 0
  /** The highest block that waits above the head. */
  highest: bigint | undefined
  /** Overrides how many wait for their parent. */
  waiting: number | undefined
  /** Overrides what comes of a commitment. */
  rule: ((commitment: Uint8Array) => Omit<Judgement, 'hash'> | undefined) | undefined
  /** Does not answer pages (a restart in the validator), or not their durability. */
  deaf = false
  holdDurable = false
  /** What sync told it of parents that nobody has. */
  readonly unavailable: { readonly hash: Uint8Array; readonly peers: number }[] = []
  readonly pages: { readonly ticket: number; readonly peer: string; readonly count: number; readonly start: bigint }[] = []
  readonly #pending = new Map<string, Uint8Array[]>()

  constructor(tip: bigint | undefined, tipHash: Uint8Array = ZERO32) {
    this.tip = tip
    this.next = tip === undefined ? undefined : tip + 1n
    this.headHash = tipHash
  }

  standing(): ChainStatus {
    const head = this.canonical.at(-1)
    return {
      head: { blockNumber: head === undefined ? 0n : heightOf(head), submissionWindowEnd: 0n }, headHash: this.headHash, next: this.next,
      rootedByChance: this.tip === undefined && this.root === undefined && head !== undefined,
      confirmedTip: this.tip === undefined ? undefined : { blockNumber: this.tip }, highest: this.highest, pendingParents: this.waiting ?? this.#pending.size, pendingSchedule: 0, unstored: this.unstored,
    }
  }

  /** Takes what has the next number, without a hash: for very long chains. */
  byNumber = false

  judge(commitment: Uint8Array): Judgement {
    if (this.byNumber) {
      if (heightOf(commitment) !== this.next) return { verdict: 'accept', reason: 'pending_parent', penalty: false, hash: ZERO32 }
      this.next++
      return { verdict: 'accept', reason: 'accepted', penalty: false, hash: ZERO32 }
    }
    const hash = hashOf(commitment)
    const id = toHex(hash)
    const ruled = this.rule?.(commitment)
    if (ruled !== undefined) return { ...ruled, hash }
    if (commitment[317] === 0xff) return { verdict: 'reject', reason: 'bad_signature', penalty: true, hash }
    if (this.byHash.has(id)) return { verdict: 'ignore', reason: 'duplicate', penalty: false, hash }
    if (this.tip !== undefined && heightOf(commitment) <= this.tip) return { verdict: 'ignore', reason: 'below_confirmed_tip', penalty: false, hash }
    this.byHash.set(id, commitment)
    if (this.#links(commitment)) {
      this.#adopt(commitment, hash)
      return { verdict: 'accept', reason: 'accepted', penalty: false, hash }
    }
    if (this.#supersede(commitment, hash)) return { verdict: 'accept', reason: 'accepted', penalty: false, hash }
    const parent = toHex(new CommitmentView(commitment).parentPreconfirmationHash)
    this.#pending.set(parent, [...this.#pending.get(parent) ?? [], commitment])
    return { verdict: 'accept', reason: 'pending_parent', penalty: false, hash }
  }

  /** A block on the canonical chain below its head takes that height: a later window (SPEC §7). */
  supersedes = false

  #supersede(commitment: Uint8Array, hash: Uint8Array): boolean {
    if (!this.supersedes) return false
    const parent = toHex(new CommitmentView(commitment).parentPreconfirmationHash)
    const at = this.canonical.indexOf(this.byHash.get(parent) ?? commitment)
    if (at < 0 || at === this.canonical.length - 1) return false
    this.canonical.length = at + 1
    this.headHash = hashOf(this.canonical[at] as Uint8Array)
    this.next = heightOf(this.canonical[at] as Uint8Array) + 1n
    this.#adopt(commitment, hash)
    return true
  }

  /** The height of the root that sync has chosen: its parent is not checked. */
  root: bigint | undefined

  rootAt(first: bigint): void {
    this.root = first
    const lowest = this.canonical[0]
    if (lowest !== undefined && first < heightOf(lowest)) {
      for (const each of this.canonical.splice(0)) {
        const parent = toHex(new CommitmentView(each).parentPreconfirmationHash)
        this.#pending.set(parent, [...this.#pending.get(parent) ?? [], each])
      }
      this.next = first
    }
    if (this.next === undefined || first > this.next) this.next = first
  }

  #links(commitment: Uint8Array): boolean {
    if (this.next === undefined || (heightOf(commitment) === this.root && this.next === this.root)) return true
    return heightOf(commitment) === this.next && toHex(new CommitmentView(commitment).parentPreconfirmationHash) === toHex(this.headHash)
  }

  #adopt(commitment: Uint8Array, hash: Uint8Array): void {
    this.canonical.push(commitment)
    this.headHash = hash
    const view = new CommitmentView(commitment)
    this.next = view.isHandoverOnly ? view.blockNumber : view.blockNumber + 1n
    const children = this.#pending.get(toHex(hash))
    this.#pending.delete(toHex(hash))
    const child = children?.find(each => this.#links(each))
    if (child !== undefined) this.#adopt(child, hashOf(child))
  }
}

export interface SimOptions { readonly tip?: bigint | undefined; readonly tipHash?: Uint8Array; /** What chain has already. */ readonly has?: readonly Uint8Array[]; readonly config?: Partial<SyncConfig>; readonly choosable?: (peer: string) => boolean; readonly seed?: number }

export async function simulate(models: readonly PeerModel[], options: SimOptions = {}): Promise<Sim> {
  const kit = testKit(options.seed === undefined ? {} : { seed: options.seed })
  const events = kit.probe<SyncEvent>('events')
  const outcomes = kit.probe<{ type: 'report'; peer: string; outcome: 'accepted' | 'failure' }>('outcomes')
  const network = kit.probe<NetworkCommand>('network')
  const chainRef = kit.probe<ChainMessage>('chain')
  const storeRef = kit.probe<StoreMessage>('store')
  const peers = new Map<string, PeerModel>()
  const chain = new FakeChain('tip' in options ? options.tip : 0n, options.tipHash)
  for (const each of options.has ?? []) chain.judge(each)
  const store: Sim['store'] = { missing: [] }
  const txListsJudged: Sim['txListsJudged'] = []
  const sent: { ref?: Ref<SyncMessage> } = {}
  const tell = (message: SyncMessage): void => { if (sent.ref?.send(message) === 'rejected') throw new Error('sync refused') }
  const after = (ms: number): Promise<void> => new Promise(resolve => { kit.clock.setTimeout(resolve, ms) })

  const chainPort: Ref<ChainMessage> = {
    path: 'chain', onceTerminated: listener => chainRef.onceTerminated(listener), offer: message => chainRef.offer(message),
    ask: (type, body, within) => chainRef.ask(type, body, within),
    send(message) {
      if (message.type === 'rootAt') chain.rootAt(message.first)
      if (message.type === 'parentUnavailable') chain.unavailable.push({ hash: message.hash, peers: message.peers })
      return 'ok'
    },
  }
  chainRef.answer('standing', () => chain.standing())
  storeRef.answer('missingTxLists', ({ from, max }) => {
    const all = store.missing.filter(({ blockNumber }) => blockNumber >= from)
    return { missing: all.slice(0, max).map(each => ({ signer: new Uint8Array(20), ...each })), next: all[max]?.blockNumber }
  })
  network.answer('peers', () => [...peers.values()].map(({ name, agent }) => ({
    peer: name, addresses: [], direction: 'outbound' as const, connections: 1, agent, protocols: ['/taiko/167000/preconf/1/get_commitments_by_number'],
    mesh: { commitments: true, txLists: true }, score: 0, latencyMs: undefined, refused: false,
  })))
  network.answer('request', ({ kind, body, peer }) => sim.driver.request(kind, body, { peer }))
  const remoteOf = (model: PeerModel): Remote => ({
    get name() { return model.name },
    get agent() { return model.agent },
    get latencyMs() { return model.latencyMs },
    answer(kind, body, at) {
      const asked = kind === 'commitments' ? GetCommitmentsByNumberRequestCodec.decode(body) : { startBlockNumber: 0n, maxCount: 0 }
      model.requests.push({ kind, at, start: asked.startBlockNumber, count: asked.maxCount })
      model.onRequest?.(kind, at)
      return kind === 'head' ? headBody(model) : kind === 'txList' ? txListBody(model, body) : pageBody(model.page(asked.startBlockNumber, asked.maxCount))
    },
    aborted(kind) { model.onAborted?.(kind) },
    left(unanswered) { model.onLeft?.(unanswered) },
  })
  const newDriver = (): VirtualDriver => new VirtualDriver(kit.clock, peers, name => { peers.delete(name); tell({ type: 'peerGone', peer: name }) })

  const validator: Ref<ValidatorMessage> = {
    path: 'validator',
    onceTerminated: () => () => undefined,
    ask: () => Promise.reject(new Error('the validator is not asked')),
    send(message) {
      if (message.type !== 'txList' || message.origin.kind !== 'sync') return 'ok'
      const { peer, ticket } = message.origin
      const hash = toHex(message.bytes.subarray(0, 32))
      txListsJudged.push({ peer, hash })
      const fits = toHex(keccak_256(message.bytes.subarray(36))) === hash
      const result = fits
        ? { verdict: 'accept' as const, reason: 'accepted', penalty: false, hash: message.bytes.subarray(0, 32) }
        : { verdict: 'reject' as const, reason: 'hash_mismatch', penalty: true, hash: ZERO32 }
      void after(1).then(() => { tell({ type: 'judged', ticket, results: [result] }) })
      return 'ok'
    },
    async offer(message) {
      if (message.type !== 'page') return 'ok'
      const { bytes, peer, ticket } = message
      const each = Array.from({ length: bytes.length / 382 }, (_, at) => bytes.slice(at * 382, (at + 1) * 382))
      chain.pages.push({ ticket, peer, count: each.length, start: heightOf(each[0] as Uint8Array) })
      if (chain.deaf) return 'ok'
      void after(5).then(() => {
        const results = each.map(commitment => chain.judge(commitment))
        tell({ type: 'judged', ticket, results })
        if (!chain.holdDurable && results.some(({ verdict }) => verdict === 'accept')) void after(2).then(() => { tell({ type: 'durable', ticket }) })
      })
      return 'ok'
    },
  }
  const needs = {
    network: new NetworkHandle(network), validator: new Validator(validator), chain: new Chain(chainPort), store: new Store(storeRef),
    outcomes: outcomes as Outcomes, events, ...(options.choosable !== undefined && { choosable: options.choosable }),
  }
  const sim = { driver: newDriver() }
  const connect = (model: PeerModel): void => { peers.set(model.name, model); sim.driver.connect(remoteOf(model)) }
  for (const model of models) connect(model)
  sent.ref = await kit.spawn(() => sync(needs, options.config), { name: 'sync' })
  const { ref } = sent
  const handle = new Sync(ref)
  await kit.settle()
  return {
    kit, sync: handle, ref, events, outcomes, chain, peers, store, txListsJudged,
    failures() {
      const count: Record<string, number> = {}
      for (const { peer, outcome } of outcomes.received) if (outcome === 'failure') count[peer] = (count[peer] ?? 0) + 1
      return count
    },
    crash() { kit.crash(ref) },
    hashAt(height) { return hashOf(chain.canonical.find(each => heightOf(each) === height) as Uint8Array) },
    join(model) { connect(model); tell({ type: 'peerReady', peer: model.name, agent: model.agent }) },
    leave(name) { sim.driver.cut(name) },
    get driver() { return sim.driver },
    async restartDriver() {
      const before = sim.driver
      await before.stop()
      sim.driver = newDriver()
    },
    async catchUp(withinMs = seconds(600)) {
      let result: Awaited<ReturnType<Sync['sync']>> | undefined
      let failed: unknown
      handle.sync(withinMs).then(done => { result = done }, (error: unknown) => { failed = error })
      await kit.settle()
      for (let left = withinMs; result === undefined && failed === undefined && left > 0;) {
        const step = Math.max(1, Math.min(kit.clock.next ?? 1_000, 1_000))
        await kit.advance(step)
        left -= step
      }
      if (result === undefined) throw failed instanceof Error ? failed : new Error('the catch-up did not end')
      return result
    },
  }
}

function headBody(model: PeerModel): Uint8Array {
  return PreconfHeadCodec.encode({ blockNumber: model.head() ?? 0n, submissionWindowEnd: 0n })
}

function txListBody(model: PeerModel, hash: Uint8Array): Uint8Array | 'silent' {
  if (model.txListBody !== undefined) return model.txListBody(hash)
  const bytes = model.txList(toHex(hash))
  return bytes === 'silent' ? bytes : GetRawTxListResponseCodec.encode({ rawTxListHash: hash, txlist: bytes ?? new Uint8Array(0) })
}

function pageBody(answer: ReturnType<Serve>): Uint8Array | 'silent' {
  return answer === 'silent' || answer instanceof Uint8Array ? answer : packPage(answer)
}

export function peer(name: string, chain: readonly Uint8Array[], options: Partial<Omit<PeerModel, 'name' | 'requests'>> = {}): PeerModel {
  return { name, agent: 'preconfirmation-p2p/0.1.0', head: () => topOf(chain), page: fromOn(chain), txList: () => undefined, latencyMs: 20, requests: [], ...options }
}

export const heightsOf = (chain: FakeChain): bigint[] => chain.canonical.filter(each => !new CommitmentView(each).isHandoverOnly).map(heightOf)
export { keccak_256 }

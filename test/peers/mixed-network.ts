import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { asText } from '../../src/operate/json.js'
import { DEFAULT_CHAIN_ID, fromHex, gossipMessageId, toHex, topicsOf } from '../../src/protocol/index.js'
import { Blocks, TIP } from './blocks.js'
import type { Block } from './blocks.js'
import { Ledger } from './ledger.js'
import type { Line } from './line-process.js'
import { OurNode, RustPeer, meshed } from './nodes.js'
import type { Peer } from './nodes.js'

const topics = topicsOf(DEFAULT_CHAIN_ID)
const messageId = gossipMessageId({ topics })

/** What is remembered of a published block: of its txlist the hash only. */
export type Published = Pick<Block, 'blockNumber' | 'hash' | 'ssz' | 'txListHash'>

/** Three Rust peers and three nodes of ours, one of which may come late or be started again; and the accounts of what they publish. */
export class MixedNetwork {
  readonly ledger = new Ledger()
  readonly rust: readonly RustPeer[]
  readonly ours: readonly OurNode[]
  /** Joins late, and knows Rust peers only. */
  readonly late: OurNode
  /** Behind the Rust peers, and no peer of ours: sends commitments that nobody has elected anybody for (H85). */
  readonly attacker: RustPeer
  foreign = 0
  /** Blocks that only the Rust peers hold. */
  readonly history: Published[] = []
  readonly blocks: Published[] = []
  /** So many of them everybody had at some time. */
  everywhere = 0
  /** Who gets everything that is published now, and has what was published before. */
  readonly live = new Set<Peer>()
  /** What the nodes of ours have told of themselves: their heads, and hashes of what is durable. */
  readonly heads = new Map<string, bigint>()
  readonly #stored = new Map<string, Set<string>>()
  readonly #connected = new Set<string>()

  private constructor(program: string, readonly chain: Blocks, private readonly folder: string, historyLength: number) {
    const onEvent = (peer: Peer, line: Line): void => { this.#seen(peer, line) }
    this.rust = ['r1', 'r2', 'r3'].map(name => new RustPeer(name, program, onEvent))
    this.attacker = new RustPeer('mallory', program)
    const confirmedTip = TIP + BigInt(historyLength)
    this.ours = ['n1', 'n2', 'n3'].map(name => new OurNode(name, { confirmedTip, dataDir: join(folder, name) }, onEvent))
    this.late = new OurNode('late', { confirmedTip: TIP, dataDir: join(folder, 'late'), staticPeers: this.rust }, onEvent)
  }

  static async create(program: string, historyLength: number): Promise<MixedNetwork> {
    return new MixedNetwork(program, await Blocks.create(), await mkdtemp(join(tmpdir(), 'preconf-interop-')), historyLength)
  }

  get all(): readonly Peer[] { return [...this.rust, ...this.ours, this.late] }
  get lastBlock(): Published { return this.blocks.at(-1)! }

  async start(): Promise<void> {
    await Promise.all([...this.rust, ...this.ours].map(async peer => {
      await peer.start()
      this.live.add(peer)
    }))
  }

  /** One a pause, until `over`: on top of what there is, or a little above. Rust peers forward each, and store it until the good one comes. */
  async attack(everyMs: number, over: AbortSignal): Promise<void> {
    await this.attacker.start()
    for (const rust of this.rust) await this.attacker.dial(rust)
    for (const rust of this.rust) await meshed(this.attacker, rust)
    while (!over.aborted) {
      await this.attacker.publishCommitment(await this.chain.foreign(BigInt(this.foreign++ % 4)))
      await sleep(everyMs, undefined, { signal: over }).catch(() => undefined)
    }
  }

  async remove(): Promise<void> {
    await Promise.all([...this.all, this.attacker].map(async peer => peer.stop()))
    await rm(this.folder, { recursive: true, force: true })
  }

  /** Connects those pairs that are not connected yet, each from the side that comes first, and waits for the meshes. */
  async connect(pairs: ReadonlyArray<readonly [Peer, Peer]>): Promise<void> {
    const fresh = pairs.filter(([a, b]) => a !== b && !this.#connected.has(edge(a, b)))
    for (const [a, b] of fresh) {
      this.#connected.add(edge(a, b))
      await a.dial(b)
    }
    await Promise.all(fresh.map(async ([a, b]) => meshed(a, b)))
  }

  /** A peer has gone: its connections too. */
  disconnected(peer: Peer): void {
    for (const each of this.#connected) if (each.split(' ').includes(peer.name)) this.#connected.delete(each)
  }

  /** The txlist, and the commitment right behind it (SPEC §6). `crowded`: not alone. */
  async publish(by: Peer, txListBytes: number, crowded = true): Promise<void> {
    const block = await this.chain.next(txListBytes)
    const to = [...this.live]
    const enter = (key: string, topic: 'commitments' | 'txLists', data: Uint8Array): void => {
      const id = toHex(messageId(topics[topic], data))
      this.ledger.published(key, { topic, bytes: data.length, crowded, by, at: performance.timeOrigin + performance.now(), messageId: id }, to)
    }
    this.blocks.push({ blockNumber: block.blockNumber, hash: block.hash, ssz: block.ssz, txListHash: block.txListHash })
    enter(block.txListHash, 'txLists', block.txListSsz)
    await by.publishTxList(block)
    enter(block.hash, 'commitments', block.ssz)
    await by.publishCommitment(block)
  }

  /** Waits until everybody has everything; goes on all the same after 10 s. */
  async settled(): Promise<void> {
    const blocks = this.blocks.length
    if (await this.ledger.settled(10_000)) this.everywhere = blocks
  }

  #seen(peer: Peer, line: Line): void {
    const key = asText(line[line.event === 'gossip' ? 'key' : 'hash'])
    switch (line.event) {
      case 'gossip': this.ledger.delivered(key, peer, line.at, asText(line['id'])); break
      case 'commitment': case 'txlist': if (line['from'] !== null) this.ledger.delivered(key, peer, line.at); break
      case 'head': this.heads.set(peer.name, BigInt(asText(line['blockNumber']))); break
      case 'stored': this.storedBy(peer).add(key); break
    }
  }

  /** Hashes of what a node of ours has said to be durable. */
  storedBy({ name }: Peer): Set<string> {
    const known = this.#stored.get(name)
    if (known !== undefined) return known
    const fresh = new Set<string>()
    this.#stored.set(name, fresh)
    return fresh
  }

  /** Reads a node's own chain back; gives what differs from what was published. */
  async difference(node: OurNode): Promise<readonly string[]> {
    const expected = [...node === this.late ? this.history : [], ...this.blocks]
    const held = new Map<bigint, string>()
    for (let start = expected[0]!.blockNumber; ;) {
      const { commitments } = await node.call('stored', { start: String(start), max: '256' }) as { commitments: readonly string[] }
      for (const ssz of commitments) held.set(Buffer.from(fromHex(ssz)).readBigUInt64LE(1), ssz)
      if (commitments.length === 0) break
      start = [...held.keys()].reduce((highest, number) => number > highest ? number : highest, start) + 1n
    }
    const stored = this.storedBy(node)
    return expected.flatMap(({ blockNumber, ssz, txListHash }) => [
      ...held.get(blockNumber) === toHex(ssz) ? [] : [`${node.name}: block ${blockNumber} ${held.has(blockNumber) ? 'is another' : 'is missing'}`],
      ...stored.has(txListHash) ? [] : [`${node.name}: txlist of block ${blockNumber} is missing`],
    ])
  }
}

const edge = (a: Peer, b: Peer): string => [a.name, b.name].sort().join(' ')

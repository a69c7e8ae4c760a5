import { fileURLToPath } from 'node:url'
import { toHex } from '../../src/protocol/index.js'
import { asText } from '../../src/operate/json.js'
import type { Json, JsonObject } from '../../src/operate/json.js'
import { until } from '../support/until.js'
import type { Block } from './blocks.js'
import { SIGNER } from './blocks.js'
import { LineProcess } from './line-process.js'
import type { Line } from './line-process.js'
import type { Switch } from './without/hooks.js'

export type Make = 'ours' | 'rust'

/** A peer as the node on the other side of the connection sees it: the fields that both makes tell. */
export interface Seen {
  readonly peer: string
  readonly connections: number
  readonly agent: string
  readonly mesh: { readonly commitments: boolean; readonly txLists: boolean }
  readonly score: number
  /** Rust only. */
  readonly lowestScore?: number
  /** Ours only. */
  readonly refused?: boolean
}

/** What a node has said that an honest network has no reason for. */
export interface Complaint { readonly node: string; readonly text: string }

/** Either make of node, driven in one way. */
export abstract class Peer {
  abstract readonly make: Make
  readonly complaints: Complaint[] = []
  #process: LineProcess | undefined

  constructor(readonly name: string, private readonly onEvent: (peer: Peer, line: Line) => void) {}

  /** Starts the process; resolves when it listens. */
  async start(): Promise<this> {
    const [command, ...args] = this.commandLine()
    this.#process = new LineProcess(this.name, command, args, line => {
      const wrong = this.complaint(line)
      if (wrong !== undefined) this.complaints.push({ node: this.name, text: wrong })
      this.onEvent(this, line)
    })
    await this.#process.ready()
    return this
  }

  get process(): LineProcess {
    if (this.#process === undefined) throw new Error(`${this.name} has not been started`)
    return this.#process
  }

  get peerId(): string { return this.process.peerId }
  get address(): string { return this.process.address }
  get running(): boolean { return this.#process?.alive ?? false }
  async call(cmd: string, fields: JsonObject = {}, within?: number): Promise<JsonObject> { return this.process.call(cmd, fields, within) }
  async stop(): Promise<void> { await this.#process?.stop() }
  async dial(other: Peer): Promise<void> { await this.call('dial', { addr: other.address }) }
  async peers(): Promise<readonly Seen[]> { return (await this.call('peers'))['peers'] as unknown as readonly Seen[] }
  async seen(other: Peer): Promise<Seen | undefined> { return (await this.peers()).find(({ peer }) => peer === other.peerId) }

  protected abstract commandLine(): [string, ...string[]]
  protected abstract complaint(line: Line): string | undefined
  abstract publishTxList(block: Block): Promise<void>
  abstract publishCommitment(block: Block): Promise<void>
}

export class RustPeer extends Peer {
  readonly make = 'rust'

  constructor(name: string, private readonly program: string, onEvent: (peer: Peer, line: Line) => void = () => undefined) {
    super(name, onEvent)
  }

  async publishTxList({ txListSsz }: Block): Promise<void> { await this.call('publish', { topic: 'txLists', data: toHex(txListSsz) }) }
  async publishCommitment({ ssz }: Block): Promise<void> { await this.call('publish', { topic: 'commitments', data: toHex(ssz) }) }
  async setHead(blockNumber: bigint, submissionWindowEnd: bigint): Promise<void> {
    await this.call('updateHead', { blockNumber: String(blockNumber), submissionWindowEnd: String(submissionWindowEnd) })
  }
  /** One request of ours to a peer; gives the SSZ of its answer. A failure has made this peer ban the other one. */
  async request(to: Peer, kind: 'head' | 'commitments' | 'txList', body: Uint8Array): Promise<Buffer> {
    const answer = await this.call('request', { peer: to.peerId, kind, body: toHex(body) })
    return Buffer.from(asText(answer['body']), 'hex')
  }
  async bans(): Promise<readonly { readonly peer: string; readonly reason: string }[]> {
    return (await this.call('bans'))['bans'] as unknown as readonly { peer: string; reason: string }[]
  }

  protected commandLine(): [string, ...string[]] { return [this.program] }
  protected complaint(line: Line): string | undefined {
    switch (line.event) {
      case 'banned': return `banned ${asText(line['peer'])}: ${asText(line['reason'])}`
      case 'connectionClosed': return line['cause'] === null || isEnd(line['cause']) ? undefined : `a connection broke: ${asText(line['cause'])}`
      case 'gossip': return line['verdict'] === 'reject' ? `rejected a message of ${asText(line['from'])} on ${asText(line['topic'])}` : undefined
      default: return undefined
    }
  }
}

/** The other side closed, in good order or by going away. */
const isEnd = (cause: Json | undefined): boolean => /closed|reset|broken pipe|eof|end of file|keep-alive/i.test(asText(cause))

export interface OurOptions {
  readonly confirmedTip: bigint
  /** A folder; left out: everything is in memory. */
  readonly dataDir?: string
  readonly staticPeers?: readonly Peer[]
  readonly without?: Switch
}

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))

export class OurNode extends Peer {
  readonly make = 'ours'

  constructor(name: string, private readonly options: OurOptions, onEvent: (peer: Peer, line: Line) => void = () => undefined) {
    super(name, onEvent)
  }

  async publishTxList({ txList }: Block): Promise<void> { await this.call('publishTxList', { txlist: toHex(txList) }) }
  async publishCommitment({ ssz }: Block): Promise<void> { await this.call('publishCommitment', { ssz: toHex(ssz) }) }
  /** Requests for txlists that have reached it since it started, answered or not. */
  async txListRequests(): Promise<number> {
    const { now, serving } = (await this.call('figures'))['network'] as unknown as {
      now: { inboundStreams: number }; serving: { served: { txList: number }; empty: { txList: number } }
    }
    return now.inboundStreams + serving.served.txList + serving.empty.txList
  }

  protected commandLine(): [string, ...string[]] {
    const { confirmedTip, dataDir, staticPeers = [], without } = this.options
    return [
      process.execPath,
      ...without === undefined ? [] : ['--import', new URL(`./without/register.js?${without}`, import.meta.url).href],
      MAIN, 'run', '--stdio', '--no-discovery', '--listen', '/ip4/127.0.0.1/tcp/0', '--log-level', 'warn', '--exempt-subnet', '127.0.0.0/8',
      '--signer', `0x${toHex(SIGNER)}`, '--confirmed-tip', String(confirmedTip),
      ...dataDir === undefined ? ['--in-memory'] : ['--data-dir', dataDir],
      ...staticPeers.flatMap(({ address }) => ['--peer', address]),
    ]
  }

  protected complaint(line: Line): string | undefined {
    const of = (...fields: readonly string[]): string => `${line.event}: ${fields.map(field => asText(line[field])).join(', ')}`
    switch (line.event) {
      case 'peerRefused': return of('peer')
      case 'rejected': return line['verdict'] === 'reject' ? of('topic', 'from', 'reason') : undefined
      case 'refused': return line['penalty'] === true ? of('topic', 'from', 'reason') : undefined
      case 'violation': return of('peer', 'kind', 'violation', 'code')
      case 'peerFault': return line['penalty'] === true ? of('peer', 'reason', 'detail') : undefined
      case 'banned': case 'greylisted': return of('peer', 'reason', 'reputation')
      case 'actorFailed': return of('actor', 'error')
      case 'storeFailing': return of('code', 'message')
      case 'lagged': return of('count', 'lane')
      default: return undefined
    }
  }
}

/** Waits until each of the two has the other in both meshes. */
export async function meshed(a: Peer, b: Peer, ms = 40_000): Promise<void> {
  const inMesh = async (from: Peer, to: Peer): Promise<boolean> => {
    const mesh = (await from.seen(to))?.mesh
    return mesh?.commitments === true && mesh.txLists
  }
  await until(async () => {
    if (await inMesh(a, b) && await inMesh(b, a)) return true
    await new Promise(resolve => { setTimeout(resolve, 100) })
    return false
  }, `${a.name} and ${b.name} in each other's meshes`, ms)
}

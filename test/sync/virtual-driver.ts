/** The driver's own way of asking (client, queue, quota, book) over connections that exist only on the manual clock. */
import type { Connection, Stream } from '@libp2p/interface'
import { withinMs } from '../../src/actors/kernel/index.js'
import type { Clock } from '../../src/actors/kernel/index.js'
import { defaultRequests } from '../../src/actors/network/config.js'
import { newCounters } from '../../src/actors/network/figures.js'
import type { RequestKind, Response } from '../../src/actors/network/ingress.js'
import { PeerTable } from '../../src/actors/network/connections/peer-table.js'
import { RequestClient } from '../../src/actors/network/reqresp/client.js'
import type { RequestOptions } from '../../src/actors/network/reqresp/client.js'
import { InFlightExchanges } from '../../src/actors/network/reqresp/in-flight.js'
import { quotaOf } from '../../src/actors/network/reqresp/request-quota.js'
import { DEFAULT_CHAIN_ID, encodeFrame, protocolsOf, readFrame } from '../../src/protocol/index.js'

export const protocols = protocolsOf(DEFAULT_CHAIN_ID)
const kinds = Object.entries(protocols) as [RequestKind, string][]

/** What is at the other end. Everything is told when it arrives there. */
export interface Remote {
  readonly name: string
  agent: string
  /** One way and back, ms. */
  latencyMs: number
  /** Gives the body, `silent` for never, `closed` for an end without data, which is what a throw does too; an error `banned` closes the connection after it. */
  answer(kind: RequestKind, body: Uint8Array, at: number): Uint8Array | 'silent' | 'closed'
  /** Our side gave up a stream whose request it had. */
  aborted?(kind: RequestKind): void
  /** The connection closed, by us or by it, with so many of its answers not delivered. */
  left?(unanswered: number): void
}

class Said extends Event {
  constructor(type: string, readonly data?: Uint8Array, readonly error?: Error) { super(type) }
}

/** As much of a libp2p stream as the client uses. */
class VirtualStream extends EventTarget {
  status: 'open' | 'closed' | 'aborted' | 'reset' = 'open'
  remoteWriteStatus: 'writable' | 'closed' = 'writable'
  readonly readBufferLength = 0
  #asked: Uint8Array | undefined

  constructor(private readonly connection: VirtualConnection, private readonly kind: RequestKind) { super() }

  send(bytes: Uint8Array): boolean {
    this.#asked = readFrame(bytes.slice(), 1_024)
    return true
  }

  async close(): Promise<void> {
    const body = this.#asked
    if (body !== undefined) this.connection.ask(this, this.kind, body)
  }

  abort(error: Error): void {
    if (this.status !== 'open') return
    this.status = 'aborted'
    this.connection.abandoned(this, this.kind)
    this.dispatchEvent(new Said('close', undefined, error))
  }

  /** The answer, or an end without one. */
  answered(body: Uint8Array | undefined): void {
    if (this.status !== 'open') return
    if (body !== undefined) this.dispatchEvent(new Said('message', encodeFrame(body)))
    this.remoteWriteStatus = 'closed'
    this.dispatchEvent(new Said('remoteCloseWrite'))
    this.status = 'closed'
    this.dispatchEvent(new Said('close'))
  }

  /** The connection under it has closed. */
  reset(): void {
    if (this.status !== 'open') return
    this.status = 'reset'
    this.dispatchEvent(new Said('close', undefined, new Error('the connection closed')))
  }
}

class VirtualConnection {
  status: 'open' | 'closed' = 'open'
  readonly direction = 'outbound'
  readonly remotePeer: { toString(): string }
  readonly remoteAddr: { toString(): string }
  readonly #open = new Map<VirtualStream, 'asked' | 'open'>()

  constructor(private readonly clock: Clock, readonly remote: Remote, private readonly closed: (connection: VirtualConnection) => void) {
    this.remotePeer = { toString: () => remote.name }
    this.remoteAddr = { toString: () => `/virtual/${remote.name}` }
  }

  async newStream([protocol]: string[]): Promise<Stream> {
    if (this.status !== 'open') throw new Error('the connection is closed')
    const kind = kinds.find(([, id]) => id === protocol)?.[0] ?? 'head'
    const stream = new VirtualStream(this, kind)
    this.#open.set(stream, 'open')
    return stream as unknown as Stream
  }

  ask(stream: VirtualStream, kind: RequestKind, body: Uint8Array): void {
    const { latencyMs } = this.remote
    this.clock.setTimeout(() => {
      if (this.status !== 'open') return
      this.#open.set(stream, 'asked')
      let answer: ReturnType<Remote['answer']> = 'closed'
      let banned = false
      try {
        answer = this.remote.answer(kind, body, this.clock.monotonic())
      } catch (error) {
        banned = (error as { code?: unknown }).code === 'banned'
      }
      if (answer === 'silent') return
      this.clock.setTimeout(() => {
        if (this.status !== 'open') return
        this.#open.delete(stream)
        stream.answered(answer instanceof Uint8Array ? answer : undefined)
        if (banned) this.close()
      }, latencyMs / 2)
    }, latencyMs / 2)
  }

  abandoned(stream: VirtualStream, kind: RequestKind): void {
    const asked = this.#open.get(stream) === 'asked'
    this.#open.delete(stream)
    if (asked && this.status === 'open') this.remote.aborted?.(kind)
  }

  close(): void {
    if (this.status !== 'open') return
    this.status = 'closed'
    this.remote.left?.([...this.#open.values()].filter(state => state === 'asked').length)
    for (const stream of [...this.#open.keys()]) stream.reset()
    this.#open.clear()
    this.closed(this)
  }
}

/** One incarnation of the driver, as far as requests go. @param identity what its quota goes by, over incarnations */
export class VirtualDriver {
  readonly #connections = new Map<string, VirtualConnection>()
  readonly #exchanges = new InFlightExchanges()
  readonly #book = new PeerTable({ refusedWithinMs: 1_000, refusedMs: 3_600_000 })
  readonly client: RequestClient
  #stopping = false

  constructor(
    private readonly clock: Clock, identity: object, private readonly gone: (name: string) => void = () => undefined,
    limits: Partial<typeof defaultRequests> = {},
  ) {
    const options = { ...defaultRequests, ...limits }
    this.client = new RequestClient({
      clock, book: this.#book, quota: quotaOf(identity, options, clock.monotonic()), exchanges: this.#exchanges, counters: newCounters(),
      limits: options, protocols, isSameClient: peer => this.#book.get(peer)?.agent.startsWith('preconfirmation-p2p/') ?? false,
      mayAsk: () => true, violated: () => undefined,
    })
  }

  get peers(): readonly string[] { return [...this.#connections.keys()] }
  /** InFlightExchanges under way. */
  get underWay(): number { return this.#exchanges.count() }

  connect(remote: Remote): void {
    if (this.#stopping || this.#connections.has(remote.name)) return
    const connection = new VirtualConnection(this.clock, remote, closed => {
      if (this.#connections.get(remote.name) === closed) this.#connections.delete(remote.name)
      this.#book.closed(closed as unknown as Connection, true, this.clock.monotonic())
      this.client.peersChanged()
      this.gone(remote.name)
    })
    this.#connections.set(remote.name, connection)
    this.#book.opened(connection as unknown as Connection, this.clock.monotonic())
    this.#book.identified(remote.name, remote.agent, Object.values(protocols))
    this.client.peersChanged()
  }

  request(kind: RequestKind, body: Uint8Array, options: RequestOptions): Promise<Response> { return this.client.request(kind, body, options) }

  /** As the driver hangs up: what is under way ends first (H40). */
  async hangUp(name: string): Promise<void> {
    this.#book.leave(name)
    await withinMs(this.clock, defaultRequests.withinMs, this.#idle(name))
    this.#connections.get(name)?.close()
  }

  /** The connection breaks: nobody can help it. */
  cut(name: string): void { this.#connections.get(name)?.close() }

  /** As the driver stops. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.client.stop()
    const idle = [...this.#connections.keys()].map(name => this.#idle(name))
    await withinMs(this.clock, defaultRequests.withinMs, Promise.all(idle))
    for (const connection of [...this.#connections.values()]) connection.close()
  }

  #idle(name: string): Promise<void> {
    return new Promise(resolve => {
      const look = (): void => { if (this.#exchanges.count(name) === 0) { unwatch(); resolve() } }
      const unwatch = this.#exchanges.watch(name, look)
      look()
    })
  }
}

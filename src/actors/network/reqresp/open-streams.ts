import type { PeerKey } from '../../../protocol/peer-key.js'
import type { ServingLimits } from '../config.js'
import type { RequestKind } from '../ingress.js'

/** An inbound stream that is being served. */
export interface OpenStream {
  readonly peer: PeerKey
  readonly kind: RequestKind
  /** The request is complete: an answer is owed. */
  asked: boolean
  /** Makes room for others. */
  reset(): void
}

/**
 * The open inbound request streams (SPEC §8, H69), limited per peer and protocol and in total. At the total limit the peer with the most
 * streams loses one, without a penalty, so that no peer is refused because others have filled the limit.
 */
export class OpenStreams {
  readonly #limits: Pick<ServingLimits, 'maxStreams' | 'maxStreamsPerPeer'>
  /** By peer, in order of arrival. */
  readonly #byPeer = new Map<PeerKey, Set<OpenStream>>()
  #count = 0
  #displaced = 0

  constructor(limits: Pick<ServingLimits, 'maxStreams' | 'maxStreamsPerPeer'>) { this.#limits = limits }

  get count(): number { return this.#count }
  /** Number of streams that were reset to make room. */
  get displaced(): number { return this.#displaced }

  /** Registers a stream, making room if needed; false if its peer has too many on this protocol. */
  add(stream: OpenStream): boolean {
    const own = this.#byPeer.get(stream.peer) ?? new Set()
    if ([...own].filter(({ kind }) => kind === stream.kind).length >= this.#limits.maxStreamsPerPeer) return false
    this.#byPeer.set(stream.peer, own.add(stream))
    this.#count++
    if (this.#count > this.#limits.maxStreams) this.#makeRoom(stream)
    return true
  }

  delete(stream: OpenStream): void {
    const own = this.#byPeer.get(stream.peer)
    if (own?.delete(stream) !== true) return
    this.#count--
    if (own.size === 0) this.#byPeer.delete(stream.peer)
  }

  /** Resets a stream of the peer with the most: the oldest one without a complete request, else the latest. */
  #makeRoom(newcomer: OpenStream): void {
    let greediest: ReadonlySet<OpenStream> = this.#byPeer.get(newcomer.peer) ?? new Set([newcomer])
    for (const streams of this.#byPeer.values()) if (streams.size > greediest.size) greediest = streams
    const streams = [...greediest]
    const given = streams.find(({ asked }) => !asked) ?? streams.at(-1) ?? newcomer
    this.delete(given)
    this.#displaced++
    given.reset()
  }
}

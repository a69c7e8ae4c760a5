import type { PeerKey } from '../../../protocol/peer-key.js'
import type { ServingLimits } from '../config.js'
import type { RequestKind } from '../ingress.js'

/** An inbound stream that is being served. */
export interface OpenStream {
  readonly peer: PeerKey
  readonly kind: RequestKind
  /** A whole request has come: an answer is owed. */
  asked: boolean
  /** It has to make room for others. */
  reset(): void
}

/**
 * The streams of requests that are open (SPEC §8, H69). A peer may have so many on a protocol, and all together so many: where these are taken, the
 * peer that has most gives one up, and it is not held against it. So what others have filled is never held against the one who asks.
 */
export class OpenStreams {
  readonly #limits: Pick<ServingLimits, 'maxStreams' | 'maxStreamsPerPeer'>
  /** Of each peer, in order of their coming. */
  readonly #byPeer = new Map<PeerKey, Set<OpenStream>>()
  #count = 0
  #displaced = 0

  constructor(limits: Pick<ServingLimits, 'maxStreams' | 'maxStreamsPerPeer'>) { this.#limits = limits }

  get count(): number { return this.#count }
  /** Streams that had to make room for others. */
  get displaced(): number { return this.#displaced }

  /** Says whether the peer may have another one on its protocol; then it counts, and the greediest makes room where there is none. */
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

  /** Of the peer that has most, the one to which nothing is owed yet and which has had longest to ask; else the latest. */
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

import type { Stream } from '@libp2p/interface'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock } from '../../kernel/index.js'
import type { Frame } from './gossipsub-internals.js'

export interface PartialRpcsNeeds {
  readonly clock: Clock
  /** Bytes of all peers together. */
  readonly maxBytes: number
  /** Milliseconds. */
  readonly withinMs: number
  /** A stream was reset for what it held: the peer is to be hung up on. */
  stuck(peer: PeerKey, code: 'too_slow' | 'too_much'): void
}

/** One inbound gossip stream. */
interface Inbound {
  readonly peer: PeerKey
  readonly stream: Stream
  /** Bytes that have come and have not been handled. */
  bytes: number
  /** Since when the other side owes us the rest of an RPC, on the monotonic clock. */
  since: number
  /** A whole RPC of it is being handled: what it owes us waits for us. */
  handling: boolean
}

/**
 * RPCs that have begun to arrive. gossipsub 17.1.1 gathers each up to `maxInboundDataLength` (10 MiB) for as long as its sender likes: 220
 * peers could fill 2 GiB with what they never end (H18, H22, H34). Here every byte between the wire and the handler is counted by its
 * stream, whoever buffers it; an RPC that is not there in time resets its stream, and so does, where all together hold too much, the one
 * that holds most for longest.
 */
export class PartialRpcs {
  readonly #needs: PartialRpcsNeeds
  readonly #streams = new Set<Inbound>()
  /** The stream that gossipsub is taking up at this moment. */
  #opening: Inbound | undefined
  #bytes = 0

  constructor(needs: PartialRpcsNeeds) {
    this.#needs = needs
  }

  /** Bytes held for all peers. */
  get bytes(): number { return this.#bytes }

  /** To be called a few times a second: resets streams whose RPC is not there in time. */
  expire(): void {
    const { clock, withinMs } = this.#needs
    const now = clock.monotonic()
    for (const inbound of [...this.#streams]) {
      if (inbound.bytes === 0 || inbound.handling || inbound.stream.readStatus === 'paused') inbound.since = now
      else if (now - inbound.since > withinMs) this.#reset(inbound, 'too_slow')
    }
  }

  /** gossipsub takes a stream up, by `create`, in which it asks for its frames (`counted`). */
  open(peer: PeerKey, stream: Stream, create: () => void): void {
    const { clock, maxBytes } = this.#needs
    const inbound: Inbound = { peer, stream, bytes: 0, since: clock.monotonic(), handling: false }
    this.#opening = inbound
    try { create() } finally { this.#opening = undefined }
    // after gossipsub's own listener, so that none of it is told before that is there
    stream.addEventListener('message', ({ data }) => {
      if (!this.#streams.has(inbound)) return
      if (inbound.bytes === 0) inbound.since = clock.monotonic()
      this.#add(inbound, data.byteLength)
      while (this.#bytes > maxBytes) {
        const worst = this.#worst()
        if (worst === undefined) return
        this.#reset(worst, 'too_much')
      }
    })
  }

  /** The frames of the stream that is being taken up, and what is held of it meanwhile. */
  counted(frames: AsyncIterable<Frame>): AsyncIterable<Frame> {
    return this.#opening === undefined ? frames : this.#count(this.#opening, frames)
  }

  async * #count(inbound: Inbound, frames: AsyncIterable<Frame>): AsyncGenerator<Frame> {
    this.#streams.add(inbound)
    try {
      for await (const frame of frames) {
        this.#add(inbound, -Math.min(inbound.bytes, frame.byteLength + prefixLength(frame.byteLength)))
        inbound.handling = true
        yield frame
        inbound.handling = false
        inbound.since = this.#needs.clock.monotonic()
      }
    } finally {
      this.#forget(inbound)
    }
  }

  #add(inbound: Inbound, bytes: number): void {
    inbound.bytes += bytes
    this.#bytes += bytes
  }

  #forget(inbound: Inbound): void {
    if (this.#streams.delete(inbound)) this.#add(inbound, -inbound.bytes)
  }

  /** Who holds most for longest. */
  #worst(): Inbound | undefined {
    const now = this.#needs.clock.monotonic()
    let worst: Inbound | undefined
    let most = 0
    for (const inbound of this.#streams) {
      const cost = inbound.bytes * (1 + now - inbound.since)
      if (cost > most) { most = cost; worst = inbound }
    }
    return worst
  }

  #reset(inbound: Inbound, code: 'too_slow' | 'too_much'): void {
    this.#forget(inbound)
    inbound.stream.abort(new Error(`gossip RPCs begun and not ended: ${code}`))
    this.#needs.stuck(inbound.peer, code)
  }
}

/** Bytes of a frame's length. */
function prefixLength(length: number): number {
  let bytes = 1
  for (let rest = length; rest > 127; rest = Math.floor(rest / 128)) bytes++
  return bytes
}

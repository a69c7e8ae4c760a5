import type { Stream } from '@libp2p/interface'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock } from '../../kernel/index.js'
import type { Frame } from './gossipsub-internals.js'

export interface PartialRpcsNeeds {
  readonly clock: Clock
  /** Bytes held for all peers together. */
  readonly maxBytes: number
  /** Time for an RPC to arrive completely, ms. */
  readonly withinMs: number
  /** A stream was reset: the peer is to be disconnected. */
  stuck(peer: PeerKey, code: 'too_slow' | 'too_much'): void
}

/** One inbound gossip stream. */
interface Inbound {
  readonly peer: PeerKey
  readonly stream: Stream
  /** Bytes that were received and are not handled yet. */
  bytes: number
  /** Since when the rest of an RPC is outstanding, monotonic ms. */
  since: number
  /** A complete RPC of it is being handled, so we are the ones to delay the next. */
  handling: boolean
}

/**
 * Bounds RPCs that have only partly arrived. gossipsub 17.1.1 collects each up to `maxInboundDataLength` (10 MiB) without a deadline: 220
 * peers could fill 2 GiB with RPCs that they never complete (H18, H22, H34). Here every byte between the wire and the handler is counted
 * per stream, whoever buffers it. The stream of an RPC that is not complete in time is reset; if all together hold too much, the stream
 * that has held the most for the longest is reset.
 */
export class PartialRpcs {
  readonly #needs: PartialRpcsNeeds
  readonly #streams = new Set<Inbound>()
  /** The stream that gossipsub is just opening. */
  #opening: Inbound | undefined
  #bytes = 0

  constructor(needs: PartialRpcsNeeds) {
    this.#needs = needs
  }

  /** Bytes held for all peers. */
  get bytes(): number { return this.#bytes }

  /** To be called a few times a second: resets streams whose RPC is overdue. */
  expire(): void {
    const { clock, withinMs } = this.#needs
    const now = clock.monotonic()
    for (const inbound of [...this.#streams]) {
      if (inbound.bytes === 0 || inbound.handling || inbound.stream.readStatus === 'paused') inbound.since = now
      else if (now - inbound.since > withinMs) this.#reset(inbound, 'too_slow')
    }
  }

  /** Opens a stream in gossipsub by `create`, during which gossipsub asks for its frames (`counted`). */
  open(peer: PeerKey, stream: Stream, create: () => void): void {
    const { clock, maxBytes } = this.#needs
    const inbound: Inbound = { peer, stream, bytes: 0, since: clock.monotonic(), handling: false }
    this.#opening = inbound
    try { create() } finally { this.#opening = undefined }
    // after gossipsub's own listener, so that it misses nothing
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

  /** Counts the frames of the stream that is being opened. */
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

  /** The stream that has held the most for the longest. */
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
    inbound.stream.abort(new Error(`incomplete gossip RPC: ${code}`))
    this.#needs.stuck(inbound.peer, code)
  }
}

/** Size of a frame's length prefix, bytes. */
function prefixLength(length: number): number {
  let bytes = 1
  for (let rest = length; rest > 127; rest = Math.floor(rest / 128)) bytes++
  return bytes
}

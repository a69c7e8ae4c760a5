import type { Uint8ArrayList } from 'uint8arraylist'
import { NetworkError } from '../errors.js'
import type { HandshakeLimits } from './limits.js'

type Bytes = Uint8Array | Uint8ArrayList

/** What of libp2p's message streams this takes: `onData` is called with all that comes, and replaced on the instance. */
interface NegotiatedStream {
  readonly readBuffer?: Bytes
  onData(data: Bytes): void
  abort(error: Error): void
}

export interface NegotiationNeeds {
  readonly limits: Pick<HandshakeLimits, 'negotiationBytes' | 'negotiationRounds'>
  /** Protocols of which one may be chosen, as they are now. */
  protocols(): readonly string[]
  /** There were too many proposals: the stream is closed. */
  exceeded(): void
}

const LINE_END = 0x0a
/** Proposals are of at most 1,024 bytes: two bytes say how long. */
const MAX_LENGTH_BYTES = 2

/**
 * Bounds what a remote may propose until a protocol is chosen (H64). multistream-select answers each proposal that it does not know with `na`,
 * without a limit and without letting go of the thread: 50 µs for three bytes. Here they are counted before it sees them; one too many, or
 * more bytes than all proposals may have, and the stream is closed. What follows the proposal that is chosen is not looked at.
 * @throws NetworkError `library_changed`
 */
export function limitNegotiation(stream: unknown, needs: NegotiationNeeds): void {
  const negotiated = stream as NegotiatedStream
  if (typeof negotiated.onData !== 'function') throw new NetworkError('library_changed', 'a stream has no onData any more', { value: 'onData' })
  const budget = new NegotiationBudget(needs)
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with its stream
  const take = negotiated.onData
  const isOver = (data: Bytes): boolean => {
    const outcome = budget.take(data)
    if (outcome !== 'open') negotiated.onData = take
    if (outcome !== 'exceeded') return false
    needs.exceeded()
    negotiated.abort(new Error('more proposals than a negotiation may have'))
    return true
  }
  negotiated.onData = data => { if (!isOver(data)) take.call(negotiated, data) }
  // what came before we were there
  if (negotiated.readBuffer !== undefined && negotiated.readBuffer.byteLength > 0) isOver(negotiated.readBuffer)
}

/** Counts proposals: lines, each behind its length as a varint. */
class NegotiationBudget {
  readonly #needs: NegotiationNeeds
  #line = Buffer.alloc(0)
  #bytes = 0
  #rounds = 0

  constructor(needs: NegotiationNeeds) { this.#needs = needs }

  take(data: Bytes): 'open' | 'chosen' | 'exceeded' {
    const { negotiationBytes, negotiationRounds } = this.#needs.limits
    const room = negotiationBytes - this.#bytes
    const taken = Math.min(room, data.byteLength)
    this.#bytes += taken
    this.#line = Buffer.concat([this.#line, data.subarray(0, taken)])
    for (let line = this.#next(); line !== undefined; line = this.#next()) {
      if (this.#needs.protocols().includes(line)) return 'chosen'
      if (++this.#rounds > negotiationRounds) return 'exceeded'
    }
    return data.byteLength > room ? 'exceeded' : 'open'
  }

  /** The next whole line, without its end; what is no line counts as one. */
  #next(): string | undefined {
    let length = 0
    let at = 0
    for (;;) {
      const byte = this.#line[at]
      if (byte === undefined) return undefined
      length += (byte & 0x7f) * 128 ** at++
      if (byte < 0x80) break
      if (at === MAX_LENGTH_BYTES) { length = 0; break }
    }
    if (this.#line.length < at + length) return undefined
    const line = this.#line.subarray(at, at + length)
    this.#line = this.#line.subarray(at + length)
    return line.at(-1) === LINE_END ? line.toString('utf8', 0, length - 1) : ''
  }
}

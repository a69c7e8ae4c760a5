import type { Uint8ArrayList } from 'uint8arraylist'
import { NetworkError } from '../errors.js'
import type { HandshakeLimits } from './limits.js'

type Bytes = Uint8Array | Uint8ArrayList

/** The parts of libp2p's message streams that are used here. `onData` receives all incoming bytes; it is replaced on the instance. */
interface NegotiatedStream {
  readonly readBuffer?: Bytes
  onData(data: Bytes): void
  abort(error: Error): void
}

export interface NegotiationNeeds {
  readonly limits: Pick<HandshakeLimits, 'negotiationBytes' | 'negotiationRounds'>
  /** The protocols that can be negotiated at present. */
  protocols(): readonly string[]
  /** Called when the limit is exceeded, before the stream is aborted. */
  exceeded(): void
}

const LINE_END = 0x0a
/** The length of a proposal is a varint of at most two bytes, since multistream-select allows 1,024 bytes. */
const MAX_LENGTH_BYTES = 2

/**
 * Limits the proposals of a protocol negotiation (H64). multistream-select itself answers any number of unknown proposals with `na`, without
 * yielding the thread: each costs 50 µs and can be as short as three bytes. This counts the proposals before multistream-select reads them, and
 * aborts the stream above `negotiationRounds` proposals or `negotiationBytes`. After a known protocol was proposed nothing is counted.
 * @throws NetworkError `library_changed`
 */
export function limitNegotiation(stream: unknown, needs: NegotiationNeeds): void {
  const negotiated = stream as NegotiatedStream
  if (typeof negotiated.onData !== 'function') throw new NetworkError('library_changed', 'a libp2p stream no longer has onData', { value: 'onData' })
  const budget = new NegotiationBudget(needs)
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with its stream
  const take = negotiated.onData
  const isOver = (data: Bytes): boolean => {
    const outcome = budget.take(data)
    if (outcome !== 'open') negotiated.onData = take
    if (outcome !== 'exceeded') return false
    needs.exceeded()
    negotiated.abort(new Error('too many proposals in a protocol negotiation'))
    return true
  }
  negotiated.onData = data => { if (!isOver(data)) take.call(negotiated, data) }
  // bytes that arrived before onData was replaced
  if (negotiated.readBuffer !== undefined && negotiated.readBuffer.byteLength > 0) isOver(negotiated.readBuffer)
}

/** Counts proposals. Each is a line, preceded by its length as a varint. */
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

  /** The next complete line, without its line end; `''` for a malformed one; `undefined` if none is complete. */
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

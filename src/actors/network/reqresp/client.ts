import type { Stream } from '@libp2p/interface'
import { ProtocolError, encodeFrame, frameCaps } from '../../../protocol/index.js'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock } from '../../kernel/index.js'
import type { RequestLimits } from '../config.js'
import { startDeadline } from '../deadline.js'
import type { RunningDeadline } from '../deadline.js'
import { RequestError, describeError, errorName } from '../errors.js'
import { countLabel } from '../figures.js'
import type { Counters, Violation } from '../figures.js'
import type { RequestKind, Response } from '../ingress.js'
import type { PeerTable } from '../connections/peer-table.js'
import type { InFlightExchanges } from './in-flight.js'
import { StreamEnded, readOneFrame } from './frames.js'
import type { RequestQuota } from './request-quota.js'
import { checkRequest } from './protocols.js'
import { RequestQueue } from './request-queue.js'
import type { Chosen } from './request-queue.js'

export interface ClientNeeds {
  readonly clock: Clock
  readonly book: PeerTable
  readonly quota: RequestQuota
  readonly exchanges: InFlightExchanges
  readonly counters: Counters
  readonly limits: RequestLimits
  /** Protocol ids by kind. */
  readonly protocols: Readonly<Record<RequestKind, string>>
  isSameClient(peer: PeerKey): boolean
  /** Whether reputation allows the driver to choose this peer. A peer that the caller names is asked in any case. */
  mayAsk(peer: PeerKey): boolean
  violated(peer: PeerKey, kind: RequestKind, violation: Violation, code: string): void
}

export interface RequestOptions {
  readonly peer?: PeerKey | undefined
  readonly exclude?: readonly PeerKey[] | undefined
  /** Cancels a request that still waits for its turn; one in flight is finished all the same (H40). */
  readonly signal?: AbortSignal | undefined
}

/** Failures with which a peer may signal that it was asked too often. */
const OF_THE_PEER: ReadonlySet<string> = new Set(['remote_closed', 'timeout'])

/** libp2p's limit of outbound streams per protocol and connection; the quota stays below it. */
export const MAX_OUTBOUND_STREAMS = 64

/**
 * Requests to peers (SPEC §3, §8). A request's life:
 *
 * 1. its arguments are checked: a bad one is an error at once;
 * 2. it waits for a peer with room in its quota: the named one, or the next in rotation;
 * 3. its stream is opened, its frame written, our side of the stream closed;
 * 4. the one frame of the answer is read, its cap checked before anything is allocated.
 *
 * 3 and 4 take 15 s at most, whatever becomes of the caller; only then, or when the answer breaks the protocol, is the stream aborted.
 */
export class RequestClient {
  readonly #needs: ClientNeeds
  readonly #queue: RequestQueue

  constructor(needs: ClientNeeds) {
    this.#needs = needs
    this.#queue = new RequestQueue(needs)
  }

  /** Requests that wait for their turn. */
  get waiting(): number { return this.#queue.size }
  #inFlight = 0
  /** Requests in flight. */
  get inFlight(): number { return this.#inFlight }

  /** The SSZ body of the answer, not decoded. @throws RequestError */
  async request(kind: RequestKind, body: Uint8Array, options: RequestOptions = {}): Promise<Response> {
    const { counters } = this.#needs
    try {
      checkRequest(kind, body)
      const chosen = await this.#queue.turn(kind, options)
      return await this.#carryOut(kind, body, chosen)
    } catch (error) {
      const failure = this.#failure(error, kind, options.peer)
      countLabel(counters.requests.failed, failure.code)
      throw failure
    }
  }

  /** Peers connected, left or were identified: waiting requests may go now. */
  peersChanged(): void { this.#queue.dispatch() }

  /** Refuses new requests and rejects the waiting ones. Requests in flight go on. */
  stop(): void { this.#queue.stop() }

  async #carryOut(kind: RequestKind, body: Uint8Array, chosen: Chosen): Promise<Response> {
    const { clock, counters, exchanges } = this.#needs
    const { peer } = chosen
    const over = exchanges.begin(peer)
    const started = clock.monotonic()
    this.#inFlight++
    counters.requests.sent[kind]++
    try {
      const answer = await this.#exchange(kind, body, peer)
      const ms = clock.monotonic() - started
      counters.requests.answered[kind]++
      counters.requests.bytes[kind] += answer.length
      return { peer, body: answer, ms, places: chosen.release({ result: 'answered', ms }) }
    } catch (error) {
      const failure = this.#failure(error, kind, peer)
      chosen.release({ result: OF_THE_PEER.has(failure.code) ? 'failed' : 'void' })
      throw failure
    } finally {
      this.#inFlight--
      over()
      this.#queue.dispatch()
    }
  }

  async #exchange(kind: RequestKind, body: Uint8Array, peer: PeerKey): Promise<Uint8Array> {
    const { book, clock, limits, protocols } = this.#needs
    const connection = book.connectionTo(peer)
    if (connection === undefined) throw new RequestError('not_connected', `${peer} is not connected`, { peer })
    const deadline = startDeadline(clock, limits.withinMs)
    let stream: Stream | undefined
    try {
      stream = await connection.newStream([protocols[kind]], { signal: deadline.signal, maxOutboundStreams: MAX_OUTBOUND_STREAMS })
      const answer = readOneFrame(stream, frameCaps[kind].response, deadline.signal)
      answer.catch(() => undefined)
      stream.send(encodeFrame(body, frameCaps[kind].request))
      // the half-close fails only if the other side was quicker; then the answer is there
      stream.close({ signal: deadline.signal }).catch(() => undefined)
      await answer
      endWithin(stream, deadline)
      return await answer
    } catch (error) {
      const late = deadline.passed
      if (stream !== undefined && (late || error instanceof ProtocolError)) stream.abort(error as Error)
      deadline.clear()
      if (late) throw new RequestError('timeout', `${peer}: no answer within ${limits.withinMs} ms`, { value: limits.withinMs, peer, cause: error })
      throw error
    }
  }

  #failure(error: unknown, kind: RequestKind, peer: PeerKey | undefined): RequestError {
    if (error instanceof RequestError) return error
    if (error instanceof ProtocolError) {
      const code = error.code === 'frame_too_long' ? 'oversize' : 'malformed_frame'
      if (peer !== undefined) this.#needs.violated(peer, kind, 'bad_answer', error.code)
      return new RequestError(code, `${peer ?? 'a peer'}: ${error.message}`, { value: error.value, limit: error.limit, peer, cause: error })
    }
    const code = errorName(error) === 'UnsupportedProtocolError' ? 'unsupported' : 'remote_closed'
    const what = error instanceof StreamEnded ? 'ended the stream without an answer' : describeError(error)
    return new RequestError(code, `${peer ?? 'a peer'}: ${what}`, { peer, cause: error })
  }
}

/** The answer has arrived: resets the stream if the other side has not closed its end by the deadline of the exchange. */
function endWithin(stream: Stream, deadline: RunningDeadline): void {
  if (stream.status !== 'open') { deadline.clear(); return }
  deadline.signal.addEventListener('abort', () => { stream.abort(new Error('the other side did not close the stream')) }, { once: true })
  stream.addEventListener('close', () => { deadline.clear() }, { once: true })
}

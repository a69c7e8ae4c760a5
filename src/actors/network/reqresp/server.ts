import type { Connection, Stream } from '@libp2p/interface'
import { ANSWER_SIZES, ProtocolError, decodeRequest, emptyAnswer, encodeFrame, frameCaps } from '../../../protocol/index.js'
import type { DecodedRequest } from '../../../protocol/index.js'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock, Feedback } from '../../kernel/index.js'
import type { ServingLimits } from '../config.js'
import { startDeadline } from '../deadline.js'
import type { Counters, Violation } from '../figures.js'
import type { RequestKind } from '../ingress.js'
import { AnswerGate } from './answer-gate.js'
import type { PendingResponses } from './pending-responses.js'
import type { InFlightExchanges } from './in-flight.js'
import { OpenStreams } from './open-streams.js'
import type { OpenStream } from './open-streams.js'
import { StreamEnded, readOneFrame } from './frames.js'
import { ServingBudget } from './serving-budget.js'
import { ResponseQueue } from './response-queue.js'
import type { Turn } from './response-queue.js'
import { asError } from '../../../protocol/thrown.js'

export interface ServerNeeds {
  readonly clock: Clock
  readonly counters: Counters
  readonly exchanges: InFlightExchanges
  readonly limits: ServingLimits
  readonly answers: PendingResponses
  /** Whether the rooms' answers still come when the driver is being stopped: not by its mailbox, which is closed then. */
  readonly answersWhileStopping: boolean
  /** Hands a request to the room that has the answer; it comes back through `answers` with the same number. */
  ask(request: number, what: DecodedRequest, peer: PeerKey): Feedback
  served(peer: PeerKey, kind: RequestKind, bytes: number): void
  violated(peer: PeerKey, kind: RequestKind, violation: Violation, code: string): void
}

/** What a stream costs this thread beside the sending of its answer, ms: opened, negotiated, read, closed. Measured with Ed25519 peers on loopback. */
const STREAM_MS = 0.8

/**
 * For so long after a large answer has left the exchange counts as under way, in ms: nothing tells when the asker has read it, and one
 * that finds the connection closed before that bans us (H40; seen with Rust peers and answers of 2 MiB, `npm run interop`).
 */
const TAKEN_WITHIN_MS = 500
/** Up to this an answer is one frame of yamux, and is read as soon as it comes. Bytes. */
const SMALL_ANSWER = 65_536

/** Answers of a kind that are fetched and sent at once. More would not make them faster: the database and this thread take one at a time. */
const ANSWERS_AT_ONCE = 4

/** The other side broke the protocol or a deadline: the stream is reset. */
class Broken extends Error {
  constructor(readonly violation: Violation, readonly code: string) { super(code) }
}

/**
 * Answers requests (SPEC §3, §8). A request's life, each stage under its own deadline:
 *
 * 1. its stream is counted: too many of one peer are refused, and of too many in all the greediest peer gives one up (open-streams.ts);
 * 2. its frame is read, the cap checked before anything is allocated, and decoded (5 s);
 * 3. it waits for its turn (serving-queue.ts), for room in memory for its answer, and at the gate where the guaranteed go first (answer-gate.ts);
 * 4. another room gives the answer (8 s for 3 and 4 together); failing that, it gets an empty one: nobody may go unanswered (SPEC §10);
 * 5. the answer is written and our side of the stream closed (10 s);
 * 6. the other side ends its own, as it should have right after its request (SPEC §3), else it would be open for ever (10 s).
 *
 * A stream is reset only for a violation or a deadline that the other side let pass.
 */
export class RequestServer {
  readonly #needs: ServerNeeds
  readonly #queue: ResponseQueue
  readonly #budget: ServingBudget
  /** Apart by kind: a room that hangs holds up nothing of another. */
  readonly #gates: Readonly<Record<RequestKind, AnswerGate>> = {
    head: new AnswerGate(ANSWERS_AT_ONCE), commitments: new AnswerGate(ANSWERS_AT_ONCE), txList: new AnswerGate(ANSWERS_AT_ONCE),
  }
  readonly #streams: OpenStreams
  /** The other rooms' answers can not reach us any more. */
  #alone = false

  constructor(needs: ServerNeeds) {
    this.#needs = needs
    this.#queue = new ResponseQueue(needs.clock, needs.limits)
    this.#budget = new ServingBudget(needs.limits)
    this.#streams = new OpenStreams(needs.limits)
  }

  /** Inbound streams open now. */
  get open(): number { return this.#streams.count }
  /** Streams of who had most of all that had to make room for others (H69). */
  get displaced(): number { return this.#streams.displaced }
  /** Bytes reserved for answers under way. */
  get reserved(): number { return this.#budget.used }
  /** Requests that wait for their turn. */
  get waiting(): number { return this.#queue.waiting }
  /** Part of the total serving budget in use (SPEC §8). */
  get used(): number { return this.#queue.used }

  /**
   * From now on nobody waits for a turn. Requests are served as ever until their connection is closed; only where answers come by the
   * driver's mailbox alone everyone gets an empty one at once, which is better than none.
   */
  stop(): void {
    this.#queue.flush()
    if (this.#needs.answersWhileStopping) return
    this.#alone = true
    this.#needs.answers.giveUp()
  }

  sweep(): void { this.#queue.sweep() }

  /** Serves one inbound stream. Never rejects. */
  async serve(kind: RequestKind, stream: Stream, connection: Connection): Promise<void> {
    const peer = connection.remotePeer.toString()
    const open: OpenStream = { peer, kind, asked: false, reset: () => { stream.abort(new Error('it had to make room for others')) } }
    if (!this.#streams.add(open)) {
      this.#break(stream, peer, kind, new Broken('too_many_streams', 'too_many_streams'))
      return
    }
    try {
      const request = await this.#read(kind, stream)
      open.asked = true
      await this.#exchange(request, peer, stream)
      await this.#ended(stream)
    } catch (error) {
      if (error instanceof Broken) this.#break(stream, peer, kind, error)
      else if (stream.status === 'open') stream.abort(asError(error))
    } finally {
      this.#streams.delete(open)
    }
  }

  /** Stage 2. */
  async #read(kind: RequestKind, stream: Stream): Promise<DecodedRequest> {
    const deadline = startDeadline(this.#needs.clock, this.#needs.limits.readWithinMs)
    let body: Uint8Array
    try {
      body = await readOneFrame(stream, frameCaps[kind].request, deadline.signal)
    } catch (error) {
      if (deadline.passed) throw new Broken('read_timeout', 'read_timeout')
      if (error instanceof ProtocolError) throw new Broken(error.code === 'frame_too_long' ? 'oversize' : 'malformed_frame', error.code)
      throw error instanceof StreamEnded ? error : new StreamEnded({ cause: error })
    } finally {
      deadline.clear()
    }
    try {
      return decodeRequest(kind, body)
    } catch (error) {
      throw new Broken('malformed_request', error instanceof ProtocolError ? error.code : 'malformed_request')
    }
  }

  /** Stages 3 to 5. Who has not sent a whole request is owed nothing, and holds neither a stop nor a hang-up up. */
  async #exchange(request: DecodedRequest, peer: PeerKey, stream: Stream): Promise<void> {
    const over = this.#needs.exchanges.begin(peer)
    let large = false
    try {
      large = await this.#answerTo(request, peer, stream) > SMALL_ANSWER
    } finally {
      if (large) this.#needs.clock.setTimeout(over, TAKEN_WITHIN_MS)
      else over()
    }
  }

  /** Stages 3 to 5; gives the bytes of the answer that has left. */
  async #answerTo(request: DecodedRequest, peer: PeerKey, stream: Stream): Promise<number> {
    const { clock, counters, limits } = this.#needs
    const turn = this.#queue.turn(peer, request.kind)
    if (turn === undefined) throw new Broken('rate_limit', 'rate_limit')
    const deadline = startDeadline(clock, limits.answerWithinMs)
    let giveBack: (() => void) | undefined
    let leave: (() => void) | undefined
    try {
      if (turn.wait !== undefined) {
        counters.serving.delayed[request.kind]++
        await turn.wait
      }
      giveBack = await this.#budget.reserve(peer, ANSWER_SIZES[request.kind], deadline.signal)
      leave = giveBack && await this.#gates[request.kind].enter(peer, turn.guaranteed, deadline.signal)
      const body = leave === undefined ? undefined : await this.#obtain(request, peer, deadline.signal)
      deadline.clear()
      if (stream.status !== 'open') { turn.settle(0, 0); return 0 }
      const empty = body === undefined || body.length > frameCaps[request.kind].response
      this.#send(stream, empty ? emptyAnswer(request) : body, frameCaps[request.kind].response, turn)
      leave?.()
      await this.#taken(stream)
      if (empty) counters.serving.empty[request.kind]++
      else counters.serving.served[request.kind]++
      const bytes = empty ? 0 : body.length
      counters.serving.bytes[request.kind] += bytes
      this.#needs.served(peer, request.kind, bytes)
      return bytes
    } finally {
      deadline.clear()
      leave?.()
      giveBack?.()
    }
  }

  /** Stage 4: the other room's answer, or `undefined` when it cannot come or is late. */
  async #obtain(request: DecodedRequest, peer: PeerKey, signal: AbortSignal): Promise<Uint8Array | undefined> {
    if (this.#alone || signal.aborted) return undefined
    if (request.kind === 'commitments' && request.max === 0) return undefined
    return this.#needs.answers.obtain(number => this.#needs.ask(number, request, peer), signal)
  }

  /** Stage 5: encrypted, and with the socket when it returns. */
  #send(stream: Stream, body: Uint8Array, cap: number, turn: Turn): void {
    const started = this.#needs.clock.monotonic()
    stream.send(encodeFrame(body, cap))
    const ms = this.#needs.clock.monotonic() - started + STREAM_MS
    this.#needs.counters.serving.busyMs += ms
    turn.settle(body.length, ms)
  }

  /** Stage 5: until the other side has taken it. */
  async #taken(stream: Stream): Promise<void> {
    const deadline = startDeadline(this.#needs.clock, this.#needs.limits.writeWithinMs)
    try {
      await stream.close({ signal: deadline.signal })
    } catch (error) {
      if (deadline.passed) throw new Broken('write_timeout', 'write_timeout')
      throw error
    } finally {
      deadline.clear()
    }
  }

  /** Stage 6. */
  async #ended(stream: Stream): Promise<void> {
    if (stream.status !== 'open' || stream.remoteWriteStatus === 'closed') return
    const deadline = startDeadline(this.#needs.clock, this.#needs.limits.writeWithinMs)
    const inTime = await new Promise<boolean>(resolve => {
      for (const event of ['remoteCloseWrite', 'close'] as const) stream.addEventListener(event, () => { resolve(true) })
      deadline.signal.addEventListener('abort', () => { resolve(false) })
    })
    deadline.clear()
    if (!inTime) throw new Broken('read_timeout', 'never_ended')
  }

  #break(stream: Stream, peer: PeerKey, kind: RequestKind, { violation, code }: Broken): void {
    stream.abort(new Error(code))
    this.#needs.violated(peer, kind, violation, code)
  }
}

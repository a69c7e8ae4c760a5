import type { Stream } from '@libp2p/interface'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock } from '../../kernel/index.js'
import type { GossipsubInternals } from './gossipsub-internals.js'
import { asError } from '../../../protocol/thrown.js'

/** How long gossip may keep the event loop to itself, in milliseconds. One message more for each peer that has some. */
const SLICE_MS = 8

/** A peer whose RPCs are being handled, or whose stream is paused. */
interface Lane {
  /** RPCs under way: one, as gossipsub awaits each before the next. */
  working: number
  paused: Stream | undefined
}

/**
 * Gives the event loop its turn under a flood (H19). A message costs 0.1 to 0.3 ms of this thread, and all
 * that a socket has brought is handled in one go: seconds without a timer, an answer or another peer's message.
 *
 * After a slice everybody who has more waits for the next turn of the loop; then each gets at least one message in. A peer who has to
 * wait has its stream paused until what came has been handled: yamux then grants no more window, and its sender waits with its bytes
 * where they are, instead of filling our memory. (gossipsub 17.1.1 awaits its handlers, `awaitRpcHandler` and `awaitRpcMessageHandler`,
 * but reads on meanwhile into a queue without a bound.)
 */
export class InboundPace {
  readonly #gossipsub: Pick<GossipsubInternals, 'streamsInbound'>
  readonly #clock: Clock
  readonly #lanes = new Map<PeerKey, Lane>()
  #sliceStart: number | undefined
  #turn: Promise<void> = Promise.resolve()

  constructor(gossipsub: Pick<GossipsubInternals, 'streamsInbound'>, clock: Clock) {
    this.#gossipsub = gossipsub
    this.#clock = clock
  }

  /** Peers whose streams are paused. */
  get paused(): number {
    let count = 0
    for (const lane of this.#lanes.values()) if (lane.paused !== undefined) count++
    return count
  }

  /** A peer's RPC, which is handled by this. */
  async rpc(peer: PeerKey, handle: () => Promise<void>): Promise<void> {
    const lane = this.#lanes.get(peer) ?? { working: 0, paused: undefined }
    this.#lanes.set(peer, lane)
    lane.working++
    try {
      await handle()
      await this.message(peer)
    } finally {
      lane.working--
      if (lane.paused === undefined) this.#forget(peer, lane)
      // a whole RPC that is there already is taken up before this runs; then the peer is not idle yet
      else setImmediate(() => { if (lane.working === 0) { resume(lane); this.#forget(peer, lane) } })
    }
  }

  /** After each message of a peer: waits for the next turn of the loop where this one has been used up. */
  async message(peer: PeerKey): Promise<void> {
    const now = this.#clock.monotonic()
    if (this.#sliceStart === undefined) {
      this.#sliceStart = now
      this.#turn = new Promise(resolve => { setImmediate(() => { this.#sliceStart = undefined; resolve() }) })
    }
    if (now - this.#sliceStart < SLICE_MS) return
    const lane = this.#lanes.get(peer)
    if (lane !== undefined && lane.paused === undefined) lane.paused = pause(this.#gossipsub.streamsInbound.get(peer)?.rawStream)
    await this.#turn
  }

  #forget(peer: PeerKey, lane: Lane): void {
    if (lane.working === 0 && this.#lanes.get(peer) === lane) this.#lanes.delete(peer)
  }
}

function pause(stream: Stream | undefined): Stream | undefined {
  if (stream?.readStatus !== 'readable') return undefined
  stream.pause()
  return stream
}

function resume(lane: Lane): void {
  const stream = lane.paused
  lane.paused = undefined
  if (stream?.readStatus !== 'paused') return
  // it tells the other side, and throws where the connection under it has just closed
  try { stream.resume() } catch (error) { stream.abort(asError(error)) }
}

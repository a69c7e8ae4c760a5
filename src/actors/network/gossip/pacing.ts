import type { Stream } from '@libp2p/interface'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock } from '../../kernel/index.js'
import type { GossipsubInternals } from './gossipsub-internals.js'
import { asError } from '../../../protocol/thrown.js'

/** How long gossip may occupy the event loop, ms; exceeded by at most one message per peer. */
const SLICE_MS = 8

/** A peer whose RPCs are being handled, or whose stream is paused. */
interface Lane {
  /** RPCs being handled: one, since gossipsub awaits each before the next. */
  working: number
  paused: Stream | undefined
}

/**
 * Yields to the event loop under a flood (H19). A message costs 0.1 to 0.3 ms of the main thread, and everything that a socket delivered is
 * handled in one go, which could block timers, answers and other peers for seconds.
 *
 * After each slice all peers wait for the next turn of the loop, and then each gets at least one message through. The stream of a waiting
 * peer is paused: yamux grants no more window, so that the sender keeps its bytes instead of filling our memory. (gossipsub 17.1.1 awaits
 * its handlers, `awaitRpcHandler` and `awaitRpcMessageHandler`, but keeps reading into an unbounded queue.)
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

  /** Runs `handle` for an RPC of this peer. */
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
      // an RPC that is already complete starts before this runs, and then the peer is not idle
      else setImmediate(() => { if (lane.working === 0) { resume(lane); this.#forget(peer, lane) } })
    }
  }

  /** To be awaited after each message: waits for the next turn of the loop if this slice is used up. */
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
  // resuming sends a frame, which throws if the connection has just closed
  try { stream.resume() } catch (error) { stream.abort(asError(error)) }
}

import type { Connection } from '@libp2p/interface'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock } from '../../kernel/index.js'
import type { InFlightExchanges } from '../reqresp/in-flight.js'

export interface Leaving {
  readonly peer: PeerKey
  /** The peer's connections at the moment. */
  connections(): readonly Connection[]
  /** Begins to close all of them before it returns. */
  close(): Promise<void>
}

export interface GracefulCloseNeeds {
  readonly clock: Clock
  readonly exchanges: InFlightExchanges
  /** Protocols on which requests come in. */
  readonly protocols: readonly string[]
  /** The peer's connections are closed by then, whatever is under way on them. Milliseconds. */
  readonly withinMs: number
}

/** So long nothing may have been under way: time for a small answer to be read, and for whoever asks one thing after the other to go on. Milliseconds. */
const SILENCE_MS = 50
/** Such a silence is waited for so long; after that the first moment without anything under way will do. Milliseconds. */
const SILENCE_WITHIN_MS = 2_000
/** A stream holds up so long that has not brought a whole request, or has not sent what it was given. Milliseconds. */
const STREAM_HOLDS_MS = 1_000
/**
 * What begins later than this after the leave began holds nobody up any more, though it is served as long as there is a connection: a peer
 * that never pauses would do so for ever. Who keeps to seven requests in 10 s (SPEC §8) pauses sooner. Milliseconds.
 */
const BEGINS_WITHIN_MS = 5_000
/** How often streams are looked at: they tell of no beginning. Milliseconds. */
const LOOK_EVERY_MS = 5

type Stream = Connection['streams'][number]

/**
 * Closes a peer's connections at a moment when nothing is under way with it: no exchange in either direction, no stream on which a request
 * may be coming, nothing unsent (H40, SPEC §10). Between the look and the close nothing else can run, so that whatever came before has
 * been seen; and until then everything that comes is served. What is on its way to us at that moment, or comes while the other side
 * has not yet heard of the close, is lost: the one-way latency cannot be saved, since the protocol has no way to say goodbye.
 *
 * A peer that never pauses has a deadline of its own: what begins `BEGINS_WITHIN_MS` after the leave is waited for no more.
 *
 * Says whether such a moment came; if it did not within `withinMs`, the connections are closed all the same.
 */
export async function closeWhenQuiet(leaving: Leaving, { clock, exchanges, protocols, withinMs }: GracefulCloseNeeds): Promise<boolean> {
  const began = clock.monotonic()
  const firstSeen = new WeakMap<Stream, number>()
  /** What had begun in time, once that is over. */
  let awaited: ReadonlySet<object> | undefined
  let silentSince = began
  let look = (): void => undefined
  const unwatch = exchanges.watch(leaving.peer, () => {
    silentSince = clock.monotonic()
    look()
  })

  const holds = (stream: Stream, now: number): boolean => {
    const inbound = stream.direction === 'inbound' && (stream.protocol === '' || protocols.includes(stream.protocol))
    const owed = inbound && stream.status === 'open' && stream.writeStatus === 'writable'
    // closing would wait until it is sent, and what came meanwhile would be lost
    if (!owed && stream.writeBufferLength === 0 && !stream.writableNeedsDrain) return false
    const since = firstSeen.get(stream) ?? (awaited === undefined ? now : -Infinity)
    firstSeen.set(stream, since)
    return now - since < STREAM_HOLDS_MS
  }

  try {
    for (;;) {
      const now = clock.monotonic()
      if (now - began >= BEGINS_WITHIN_MS) awaited ??= exchanges.underWay(leaving.peer)
      const exchanging = exchanges.underWay(leaving.peer)
      const streams = leaving.connections().flatMap(connection => connection.streams)
      const busy = [...awaited ?? exchanging].some(each => exchanging.has(each)) || streams.some(stream => holds(stream, now))
      if (busy) silentSince = now
      if (!busy && (awaited !== undefined || now - silentSince >= SILENCE_MS || now - began >= Math.min(SILENCE_WITHIN_MS, withinMs))) {
        await leaving.close()
        return true
      }
      if (leaving.connections().length === 0) return true
      if (now - began >= withinMs) {
        await leaving.close()
        return false
      }
      await new Promise<void>(resolve => {
        // a look comes right after what the sockets hold has been read, however late the timer is
        const timer = clock.setTimeout(() => { setImmediate(resolve) }, LOOK_EVERY_MS)
        look = () => { clock.clearTimeout(timer); setImmediate(resolve) }
      })
    }
  } finally {
    unwatch()
  }
}

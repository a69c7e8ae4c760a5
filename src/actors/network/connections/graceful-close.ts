import type { Connection } from '@libp2p/interface'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock } from '../../kernel/index.js'
import type { InFlightExchanges } from '../reqresp/in-flight.js'

export interface Leaving {
  readonly peer: PeerKey
  /** The peer's open connections. */
  connections(): readonly Connection[]
  /** Closes all of them. It must begin to do so synchronously, before it returns its promise. */
  close(): Promise<void>
}

export interface GracefulCloseNeeds {
  readonly clock: Clock
  readonly exchanges: InFlightExchanges
  /** Protocols on which requests come in. */
  readonly protocols: readonly string[]
  /** Deadline: then the connections are closed whatever is under way on them. Milliseconds. */
  readonly withinMs: number
}

/** Idle time before the close. It lets the peer read a small answer, and send the next of several requests in a row. Milliseconds. */
const SILENCE_MS = 50
/** After this time the connections are closed at the first idle moment, without waiting for `SILENCE_MS`. Milliseconds. */
const SILENCE_WITHIN_MS = 2_000
/** A stream with an incomplete request or unsent bytes delays the close by this at most. Milliseconds. */
const STREAM_HOLDS_MS = 1_000
/**
 * Exchanges that begin later than this no longer delay the close, though they are served while the connection lasts. Otherwise a peer that
 * never pauses would delay it for ever. A peer within the rate limit of SPEC §8 (seven requests in 10 s) pauses sooner. Milliseconds.
 */
const BEGINS_WITHIN_MS = 5_000
/** Polling interval for streams: libp2p emits no event when one opens. Milliseconds. */
const LOOK_EVERY_MS = 5

type Stream = Connection['streams'][number]

/**
 * Closes a peer's connections while nothing is under way with it: no exchange in either direction, no stream on which a request may be
 * coming, no unsent bytes (H40, SPEC §10). Requests that arrive before the close are served. The last check and the close run in one
 * synchronous step, so no request can arrive between them. Bytes that are in flight to us at the close are lost, because the protocol has no
 * message by which to announce it.
 *
 * Exchanges that begin `BEGINS_WITHIN_MS` after the call or later do not delay the close, so a peer that never pauses cannot hold it up.
 *
 * Resolves to true if nothing was under way at the close; to false if `withinMs` ran out and the connections were closed nevertheless.
 */
export async function closeWhenQuiet(leaving: Leaving, { clock, exchanges, protocols, withinMs }: GracefulCloseNeeds): Promise<boolean> {
  const began = clock.monotonic()
  const firstSeen = new WeakMap<Stream, number>()
  /** The exchanges that began within `BEGINS_WITHIN_MS`; `undefined` until that time has passed. */
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
    // a stream with unsent bytes: closing would wait until they are sent, and lose what arrives meanwhile
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
        // setImmediate runs after the sockets have been read, however late the timer fires
        const timer = clock.setTimeout(() => { setImmediate(resolve) }, LOOK_EVERY_MS)
        look = () => { clock.clearTimeout(timer); setImmediate(resolve) }
      })
    }
  } finally {
    unwatch()
  }
}

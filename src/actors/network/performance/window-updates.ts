/**
 * Fault: `@chainsafe/libp2p-yamux` answers each data frame with a window update. A gossip message costs its receiver a frame that is
 * encrypted and written before the message itself is looked at, and its sender one that is read: 0.1 ms on either side.
 * Remedy: an established stream tells its sender of room once 32 KiB, or half of its window, have been taken: as often as before where
 * frames are large, once in some 70 messages where they are small. A sender always has half a window left.
 * Paid for by `npm run bench -- gossip` (docs/performance.md).
 * Goes when the library counts what was taken: the test counts updates with and without this.
 */

/** So much is taken without a word, bytes. */
const UNTOLD_BYTES = 32_768
/** yamux's `StreamState.Established`: in any other state an update carries a flag, or is held back. */
const ESTABLISHED = 3

/** What of yamux's stream this takes. */
export interface WindowedStream {
  readonly state: number
  /** Bytes that the sender may have under way when all of it has been taken. */
  readonly recvWindow: number
  /** Bytes that it may still send. */
  readonly recvWindowCapacity: number
  sendWindowUpdate(): void
}

/** Has a stream say less often that there is room. */
export function fewerWindowUpdates<S extends WindowedStream>(stream: S): S {
  const tell = stream.sendWindowUpdate.bind(stream)
  stream.sendWindowUpdate = () => {
    const taken = stream.recvWindow - stream.recvWindowCapacity
    if (stream.state === ESTABLISHED && taken < Math.min(UNTOLD_BYTES, stream.recvWindow / 2)) return
    tell()
  }
  return stream
}

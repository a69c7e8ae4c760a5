/**
 * Fault: `@chainsafe/libp2p-yamux` never reads its option `maxMessageSize`. A stream sends frames as large as the remote's
 * window, which grows to 16 MiB; rust-yamux refuses bodies over 1 MiB and closes the connection (H37).
 * Remedy: no stream's `maxMessageSize`, which yamux itself sets anew with each window update, is ever read as more than 64 KiB.
 * Goes when the option works: the test reads frame sizes off the wire with the plain library too, and fails once those are small.
 */
export const YAMUX_VERSION = '8.0.1'

/** Bytes of a frame's body at most: what rust-yamux sends itself, far below the 1 MiB that it refuses. */
export const MAX_FRAME_BYTES = 65_536

/** What of yamux's stream this takes. */
export interface SizedStream { maxMessageSize?: number }

/** Has a stream send frames of at most 64 KiB. */
export function limitFrames<S extends SizedStream>(stream: S): S {
  let size = stream.maxMessageSize ?? MAX_FRAME_BYTES
  Object.defineProperty(stream, 'maxMessageSize', {
    configurable: true,
    get: () => Math.min(size, MAX_FRAME_BYTES),
    set: (value: number) => { size = value },
  })
  return stream
}

/**
 * Fault: `@chainsafe/libp2p-noise` asks its buffer for the length of the next frame until there is none, which it learns by an error that it
 * throws and catches: one for each read of a socket, 35 µs each, nearly all of it for the trace of the call.
 * Remedy: the same error, made once.
 * Paid for by `npm run bench -- gossip` (docs/performance.md).
 * Goes when the library looks first: the test counts errors with and without this.
 */

export const NOISE_VERSION = '17.0.0'

/** Bytes that tell a frame's length. */
const LENGTH_BYTES = 2

interface Bytes { readonly byteLength: number }

/** What of noise's stream this takes; another encryption has no decoder. */
interface DecodingStream { readonly decoder?: { lengthDecoder?: (buffer: Bytes) => number } }

const NO_LENGTH = new RangeError('no whole length yet')

/** Installs the remedy on one connection. */
export function lengthsWithoutTraces(connection: unknown): void {
  const { decoder } = connection as DecodingStream
  const decode = decoder?.lengthDecoder
  if (decoder === undefined || decode === undefined) return
  decoder.lengthDecoder = buffer => {
    if (buffer.byteLength < LENGTH_BYTES) throw NO_LENGTH
    return decode(buffer)
  }
}

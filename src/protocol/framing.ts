import { encode, encodingLength } from 'uint8-varint'
import { ProtocolError } from './errors.js'

/** One unsigned-varint length, then the SSZ bytes; one frame each way, no status byte (SPEC §3). */

/** Caps on a frame's length in bytes, by protocol and side (SPEC §3). Checked before anything is allocated. */
export const FRAME_CAPS = {
  head: { request: 128, response: 65_536 },
  commitments: { request: 512, response: 1_048_576 },
  txList: { request: 256, response: 2_101_248 },
} as const

export type ProtocolName = keyof typeof FRAME_CAPS
export type FrameSide = 'request' | 'response'

/** A length of more bytes than this is refused, as multiformats has it. */
const MAX_VARINT_BYTES = 9

/** The frame of a message. @throws ProtocolError `frame_too_long` above the cap, where one is given */
export function encodeFrame(body: Uint8Array, cap = Infinity): Uint8Array {
  if (body.length > cap) throw tooLong(body.length, cap)
  const header = encodingLength(body.length)
  const frame = new Uint8Array(header + body.length)
  encode(body.length, frame, 0)
  frame.set(body, header)
  return frame
}

/** Reads the length in front of a frame, a byte at a time. */
class LengthReader {
  readonly #cap: number
  #value = 0
  #factor = 1
  #bytes = 0

  constructor(cap: number) { this.#cap = cap }

  /** The length once its last byte is there. Refused as soon as it cannot come right any more. */
  push(byte: number): number | undefined {
    this.#bytes++
    this.#value += (byte & 0x7f) * this.#factor
    this.#factor *= 128
    if (this.#value > this.#cap) throw tooLong(this.#value, this.#cap)
    if (byte < 0x80) {
      if (byte === 0 && this.#bytes > 1) {
        throw new ProtocolError('varint_not_minimal', `length ${this.#value} in ${this.#bytes} bytes`, { value: this.#value })
      }
      return this.#value
    }
    if (this.#bytes === MAX_VARINT_BYTES) {
      throw new ProtocolError('varint_too_long', `a length of more than ${MAX_VARINT_BYTES} bytes`, { limit: MAX_VARINT_BYTES })
    }
    return undefined
  }
}

function tooLong(length: number, cap: number): ProtocolError {
  return new ProtocolError('frame_too_long', `a frame of ${length} bytes or more, at most ${cap}`, { value: length, limit: cap })
}

/** What is allocated for a body before its sender has sent anything of it. */
const FIRST_BUFFER = 65_536

/**
 * Takes a stream's chunks and gives its one frame. Keeps at most `cap` bytes, and never much more than what the sender
 * has really sent: a declared length alone costs nothing. Chunks are copied. Bytes after the frame are ignored.
 */
export class FrameReader {
  readonly #length: LengthReader
  readonly #cap: number
  #expected: number | undefined
  #body = new Uint8Array(0)
  #received = 0
  #done = false
  #error: ProtocolError | undefined

  /** @param cap the body's bytes at most: one of `FRAME_CAPS` */
  constructor(cap: number) {
    this.#cap = cap
    this.#length = new LengthReader(cap)
  }

  /** Whether the frame was complete. */
  get done(): boolean { return this.#done }

  /** Bytes held at this moment. */
  get buffered(): number { return this.#body.length }

  /**
   * The frame's body when this chunk completes it (once), else undefined.
   * @throws ProtocolError `frame_too_long`, `varint_not_minimal`, `varint_too_long`; the same again after that
   */
  push(chunk: Uint8Array): Uint8Array | undefined {
    if (this.#error !== undefined) throw this.#error
    if (this.#done) return undefined
    let at = 0
    try {
      while (this.#expected === undefined && at < chunk.length) this.#expected = this.#length.push(chunk[at++]!)
    } catch (error) {
      this.#error = error as ProtocolError
      throw error
    }
    if (this.#expected === undefined) return undefined
    const taken = Math.min(chunk.length - at, this.#expected - this.#received)
    this.#append(chunk.subarray(at, at + taken), this.#expected)
    if (this.#received < this.#expected) return undefined
    this.#done = true
    const body = this.#body
    this.#body = new Uint8Array(0)
    return body
  }

  /** The stream ended. @throws ProtocolError `frame_truncated` where the frame was not complete */
  end(): void {
    if (this.#error !== undefined) throw this.#error
    if (this.#done) return
    throw new ProtocolError('frame_truncated', this.#expected === undefined
      ? 'the stream ended before a length'
      : `the stream ended after ${this.#received} of ${this.#expected} bytes`, {
      value: this.#received, limit: this.#expected ?? this.#cap,
    })
  }

  #append(part: Uint8Array, expected: number): void {
    const needed = this.#received + part.length
    if (this.#body.length < needed) {
      const size = Math.min(expected, Math.max(needed, FIRST_BUFFER, this.#body.length * 4))
      const larger = new Uint8Array(size)
      larger.set(this.#body.subarray(0, this.#received))
      this.#body = larger
    }
    this.#body.set(part, this.#received)
    this.#received = needed
  }
}

/**
 * The body of the frame at the start of `bytes`, as a subarray; what follows it is ignored.
 * @throws ProtocolError `frame_too_long`, `varint_not_minimal`, `varint_too_long`, `frame_truncated`
 */
export function readFrame(bytes: Uint8Array, cap: number): Uint8Array {
  const reader = new LengthReader(cap)
  let length: number | undefined
  let at = 0
  while (length === undefined && at < bytes.length) length = reader.push(bytes[at++]!)
  if (length === undefined || bytes.length - at < length) {
    const detail = { value: bytes.length, limit: cap }
    throw new ProtocolError('frame_truncated', `${bytes.length} bytes hold no complete frame`, detail)
  }
  return bytes.subarray(at, at + length)
}

import type { Uint8ArrayList } from 'uint8arraylist'
import type { Clock } from '../../kernel/index.js'
import { NetworkError } from '../errors.js'
import type { ByteAccount, HandshakeLimits, HandshakeRefusal } from './limits.js'

/** The parts of the muxer of `@chainsafe/libp2p-yamux` 8.0.1 that `FrameGuard` uses. */
export interface GuardedMuxer {
  readonly decoder: { readonly buffer: Uint8ArrayList; readFrame(): unknown; emitFrames(bytes: { readonly byteLength: number }): unknown }
  readonly streams: readonly GuardedStream[]
  /** Sends a frame; every frame of ours goes through it. */
  sendFrame(header: FrameHeader, data?: unknown): boolean
}

export interface GuardedStream {
  readonly streamId: number
  /** Empty until a protocol is negotiated. */
  readonly protocol?: string | undefined
  /** Bytes that the peer may still send on it. */
  readonly recvWindowCapacity: number
}

interface FrameHeader { readonly type: number; readonly flag: number; readonly streamID: number; readonly length: number }

export interface FrameGuardNeeds {
  readonly limits: Pick<HandshakeLimits, 'framesAtOnce' | 'framesPerSecond'>
  readonly clock: Clock
  /** The initial and the largest receive window of a stream, in bytes. */
  readonly firstWindow: number
  readonly largestWindow: number
  /** The account to which the bytes of a stream are charged, by its protocol. */
  accountOf(protocol: string): ByteAccount
  /** Counts bytes received, and bytes charged to an account. */
  received(bytes: number): void
  accounted(account: ByteAccount, bytes: number): void
  /** Called when a limit is broken; the connection is closed after it. */
  broken(refusal: Extract<HandshakeRefusal, 'frame_length' | 'frame_rate'>): void
}

const HEADER_BYTES = 12
const DATA = 0
const SYN = 1
/** Charge for an inbound stream that served no request: it costs a negotiation, timers and an error. Frames. */
const STREAM_COST = 12
/** A data frame of at least this size is not charged to the frame rate: the account of its stream bounds it. Bytes. */
const FULL_BYTES = 64
/** Data for an unknown stream is charged to the frame rate: one frame, and one more for each of these. Bytes. */
const UNCLAIMED_BYTES = 4_096
/** Allowance for a stream that we open, or that served a request: its opening, negotiation and end. Frames. */
const FRAMES_OF_A_STREAM = 8

/**
 * Checks each yamux frame of one connection before the library handles it.
 *
 * - Length (H63): a data frame must fit the receive window of its stream. The header is checked before any of the body is buffered. The library
 *   itself trusts the 32-bit length, and buffers the body even without a stream or a window for it.
 * - Rate (H65): frames without payload are rate-limited per connection: pings, window updates, streams opened and reset, data of a few bytes. A
 *   stream that ends without serving a request costs 12 frames; data for an unknown stream is charged by its bytes. The peer gains one frame
 *   for each data frame that we send, which pays for its window update, and eight for each stream that we open or that served a request.
 *
 * A broken limit throws from the decoder, on which the library closes the connection.
 */
export class FrameGuard {
  readonly #needs: FrameGuardNeeds
  readonly #muxer: GuardedMuxer
  /** Frames that the peer may still send at `#since`; a token bucket. */
  #room: number
  #since: number
  /** Whether the header at the front of the buffer is checked already; its body is still incomplete. */
  #isChecked = false
  /** The body of the frame that was checked last. */
  #body: { readonly account: ByteAccount; readonly bytes: number } = { account: 'frames', bytes: 0 }

  /** @throws NetworkError `library_changed` */
  constructor(muxer: GuardedMuxer, needs: FrameGuardNeeds) {
    const { decoder } = muxer
    if (typeof decoder?.readFrame !== 'function' || typeof decoder.emitFrames !== 'function' || typeof decoder.buffer?.subarray !== 'function' || typeof muxer.sendFrame !== 'function') {
      throw new NetworkError('library_changed', 'the internals of yamux that decode and send frames have changed', { value: 'readFrame' })
    }
    this.#muxer = muxer
    this.#needs = needs
    this.#room = needs.limits.framesAtOnce
    this.#since = needs.clock.monotonic()
    const read = decoder.readFrame.bind(decoder)
    decoder.readFrame = () => {
      if (!this.#isChecked && decoder.buffer.byteLength >= HEADER_BYTES) {
        this.#check(headerOf(decoder.buffer.subarray(0, HEADER_BYTES)))
        this.#isChecked = true
      }
      const frame = read()
      if (frame !== undefined) {
        this.#isChecked = false
        needs.accounted('frames', HEADER_BYTES)
        needs.accounted(this.#body.account, this.#body.bytes)
      }
      return frame
    }
    const emit = decoder.emitFrames.bind(decoder)
    decoder.emitFrames = bytes => {
      needs.received(bytes.byteLength)
      return emit(bytes)
    }
    const send = muxer.sendFrame.bind(muxer)
    muxer.sendFrame = (header, data) => {
      if (header.type === DATA) this.#earn(1)
      if ((header.flag & SYN) !== 0 && header.streamID !== 0) this.#earn(FRAMES_OF_A_STREAM)
      return send(header, data)
    }
  }

  /** Bytes received of a frame that is still incomplete. */
  get waiting(): number { return this.#muxer.decoder.buffer.byteLength }

  /** Charges for an inbound stream that has ended. `served`: it carried a request. A rate exceeded by this is enforced at the next frame. */
  streamEnded(served: boolean): void { this.#earn(served ? FRAMES_OF_A_STREAM : -STREAM_COST) }

  #check({ flag, length, streamID, type }: FrameHeader): void {
    const stream = streamID === 0 ? undefined : this.#muxer.streams.find(each => each.streamId === streamID)
    const isNew = stream === undefined && streamID !== 0 && (flag & SYN) !== 0
    const account = stream === undefined ? isNew ? 'negotiation' : 'unclaimed' : stream.protocol === undefined || stream.protocol === '' ? 'negotiation' : this.#needs.accountOf(stream.protocol)
    this.#body = { account, bytes: type === DATA ? length : 0 }
    if (type === DATA && length > this.#windowOf(stream, isNew)) this.#break('frame_length', `a frame declares ${length} bytes`)
    this.#charge(this.#costOf(type, length, stream !== undefined || isNew))
  }

  #windowOf(stream: GuardedStream | undefined, isNew: boolean): number {
    if (stream !== undefined) return stream.recvWindowCapacity
    // an unknown stream may be one that we have reset, with data up to its window still in flight
    return isNew ? this.#needs.firstWindow : this.#needs.largestWindow
  }

  #costOf(type: number, length: number, isClaimed: boolean): number {
    if (type !== DATA) return 1
    return isClaimed ? Math.max(0, 1 - length / FULL_BYTES) : 1 + length / UNCLAIMED_BYTES
  }

  #charge(cost: number): void {
    const { clock, limits } = this.#needs
    const now = clock.monotonic()
    this.#earn((now - this.#since) / 1_000 * limits.framesPerSecond)
    this.#since = now
    this.#room -= cost
    if (this.#room < 0) this.#break('frame_rate', 'too many frames without payload on one connection')
  }

  #earn(frames: number): void { this.#room = Math.min(this.#needs.limits.framesAtOnce, this.#room + frames) }

  #break(refusal: 'frame_length' | 'frame_rate', message: string): never {
    this.#needs.broken(refusal)
    throw new Error(message)
  }
}

function headerOf(bytes: Uint8Array): FrameHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES)
  return { type: view.getUint8(1), flag: view.getUint16(2), streamID: view.getUint32(4), length: view.getUint32(8) }
}

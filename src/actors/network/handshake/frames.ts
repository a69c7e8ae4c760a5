import type { Uint8ArrayList } from 'uint8arraylist'
import type { Clock } from '../../kernel/index.js'
import { NetworkError } from '../errors.js'
import type { ByteAccount, HandshakeLimits, HandshakeRefusal } from './limits.js'

/** What of `@chainsafe/libp2p-yamux` 8.0.1 this takes. */
export interface GuardedMuxer {
  readonly decoder: { readonly buffer: Uint8ArrayList; readFrame(): unknown; emitFrames(bytes: { readonly byteLength: number }): unknown }
  readonly streams: readonly GuardedStream[]
  /** Every frame that we send. */
  sendFrame(header: FrameHeader, data?: unknown): boolean
}

export interface GuardedStream {
  readonly streamId: number
  /** Empty until one is chosen. */
  readonly protocol?: string | undefined
  /** Bytes that it may still receive. */
  readonly recvWindowCapacity: number
}

interface FrameHeader { readonly type: number; readonly flag: number; readonly streamID: number; readonly length: number }

export interface FrameGuardNeeds {
  readonly limits: Pick<HandshakeLimits, 'framesAtOnce' | 'framesPerSecond'>
  readonly clock: Clock
  /** What a stream may be sent at most before we have taken any of it, and what it may grow to. Bytes. */
  readonly firstWindow: number
  readonly largestWindow: number
  /** What a stream's bytes are accounted for as, by its protocol. */
  accountOf(protocol: string): ByteAccount
  /** So many bytes came; so many of them are accounted for. */
  received(bytes: number): void
  accounted(account: ByteAccount, bytes: number): void
  /** The connection is closed for it. */
  broken(refusal: Extract<HandshakeRefusal, 'frame_length' | 'frame_rate'>): void
}

const HEADER_BYTES = 12
const DATA = 0
const SYN = 1
/** What a stream costs that served nothing: its negotiation, its time-outs, and the error that ends it. Frames. */
const STREAM_COST = 12
/** A frame of so many bytes carries something: it is accounted for where they go. */
const FULL_BYTES = 64
/** What nobody takes is charged here: a frame's worth for so many bytes. */
const UNCLAIMED_BYTES = 4_096
/** Frames that belong to any stream besides data: its beginning, its negotiation, its end. */
const FRAMES_OF_A_STREAM = 8

/**
 * Looks at each yamux frame of one connection before the library does.
 *
 * - Its header, before any of its body is kept: no stream is sent more than it may still receive (H63). The library believes the 32 bits of
 *   a length, and keeps the body whatever stream or window there is.
 * - What carries nothing has a rate (H65): pings, window updates, streams that are opened and reset, data of a few bytes. A stream that ends
 *   without having served a request counts as 12 frames, and what comes for no stream by its bytes. A window update for each frame
 *   that we have sent is owed; so are the frames of a stream of ours, and of a request that was answered.
 *
 * What breaks a limit is an error out of the decoder: the library then closes the connection.
 */
export class FrameGuard {
  readonly #needs: FrameGuardNeeds
  readonly #muxer: GuardedMuxer
  #room: number
  #since: number
  /** The header at the front of the buffer has been looked at, and its body has not come. */
  #isLookedAt = false
  /** Of the frame that was looked at last. */
  #body: { readonly account: ByteAccount; readonly bytes: number } = { account: 'frames', bytes: 0 }

  /** @throws NetworkError `library_changed` */
  constructor(muxer: GuardedMuxer, needs: FrameGuardNeeds) {
    const { decoder } = muxer
    if (typeof decoder?.readFrame !== 'function' || typeof decoder.emitFrames !== 'function' || typeof decoder.buffer?.subarray !== 'function' || typeof muxer.sendFrame !== 'function') {
      throw new NetworkError('library_changed', 'yamux decodes and sends its frames in another way', { value: 'readFrame' })
    }
    this.#muxer = muxer
    this.#needs = needs
    this.#room = needs.limits.framesAtOnce
    this.#since = needs.clock.monotonic()
    const read = decoder.readFrame.bind(decoder)
    decoder.readFrame = () => {
      if (!this.#isLookedAt && decoder.buffer.byteLength >= HEADER_BYTES) {
        this.#lookAt(headerOf(decoder.buffer.subarray(0, HEADER_BYTES)))
        this.#isLookedAt = true
      }
      const frame = read()
      if (frame !== undefined) {
        this.#isLookedAt = false
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

  /** Bytes of a frame that is not whole yet. */
  get waiting(): number { return this.#muxer.decoder.buffer.byteLength }

  /** A stream that the other side had opened is over; `served`: a request, which is accounted for as such. What is over the rate tells at the next frame. */
  streamEnded(served: boolean): void { this.#earn(served ? FRAMES_OF_A_STREAM : -STREAM_COST) }

  #lookAt({ flag, length, streamID, type }: FrameHeader): void {
    const stream = streamID === 0 ? undefined : this.#muxer.streams.find(each => each.streamId === streamID)
    const isNew = stream === undefined && streamID !== 0 && (flag & SYN) !== 0
    const account = stream === undefined ? isNew ? 'negotiation' : 'unclaimed' : stream.protocol === undefined || stream.protocol === '' ? 'negotiation' : this.#needs.accountOf(stream.protocol)
    this.#body = { account, bytes: type === DATA ? length : 0 }
    if (type === DATA && length > this.#windowOf(stream, isNew)) this.#break('frame_length', `a frame declares ${length} bytes`)
    this.#charge(this.#costOf(type, length, stream !== undefined || isNew))
  }

  #windowOf(stream: GuardedStream | undefined, isNew: boolean): number {
    if (stream !== undefined) return stream.recvWindowCapacity
    // a stream that we have reset: what it was allowed to send may still be on its way
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
    if (this.#room < 0) this.#break('frame_rate', 'more frames that carry nothing than a connection may bring')
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

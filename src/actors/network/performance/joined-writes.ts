import type { MessageStream, StreamMuxer } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'

/**
 * Fault: yamux hands each frame to noise by itself, noise gives the length and the body of what it has encrypted apart, and tcp writes each by
 * itself: two system calls a frame, each of which wakes the other side up. Forwarding and window updates cost more by that than by anything else.
 * Remedy: the first frame leaves at once; those that follow before whoever sends them lets go of the thread go to noise together, up to 32 KiB;
 * and what noise has made of them goes to the socket in one piece. What is sent alone waits for nothing.
 * Paid for by `npm run bench -- gossip` (docs/performance.md).
 * Goes when the libraries write in vectors: the test counts what reaches the socket with and without it.
 */

/** So much goes to noise without waiting for more, bytes. */
const ENOUGH_BYTES = 32_768

type Bytes = Uint8Array | Uint8ArrayList
type Send = (bytes: Bytes) => boolean

interface MuxerInternals { send?: Send }

/** noise's stream over the socket's; other encryptions may have nothing below. */
interface Encrypted extends Pick<MessageStream, 'close'> {
  readonly writeStatus: string
  readonly stream?: { send?: Send }
}

/** Installs the remedy on one connection. */
export function joinWrites(muxer: StreamMuxer, connection: unknown): void {
  const internals = muxer as unknown as MuxerInternals
  const encrypted = connection as Encrypted
  if (typeof internals.send !== 'function') return
  const outbox = new Outbox(internals.send.bind(muxer), encrypted)
  internals.send = bytes => outbox.send(bytes)
  const close = encrypted.close.bind(encrypted)
  encrypted.close = async options => {
    outbox.flushed()
    await close(options)
  }
  const below = encrypted.stream
  if (typeof below?.send === 'function') {
    const send = below.send.bind(below)
    below.send = bytes => send(bytes.subarray())
  }
}

class Outbox {
  #frames: Bytes[] = []
  #bytes = 0
  /** A frame has left in this run of microtasks. */
  #busy = false

  constructor(private readonly write: Send, private readonly connection: Encrypted) {}

  /** Whether there is room for more. @throws StreamStateError where the connection is closed */
  send(frame: Bytes): boolean {
    // it throws, as it would without us
    if (this.connection.writeStatus !== 'writable') return this.write(frame)
    if (!this.#busy) {
      this.#busy = true
      queueMicrotask(() => {
        this.#busy = false
        this.flushed()
      })
      return this.write(frame)
    }
    this.#frames.push(frame)
    this.#bytes += frame.byteLength
    return this.#bytes < ENOUGH_BYTES || this.#flush()
  }

  /** Writes what is there; a connection that fails at it has told so itself. */
  flushed(): void {
    try { this.#flush() } catch { this.#frames = [] }
  }

  #flush(): boolean {
    const frames = this.#frames
    if (frames.length === 0) return true
    this.#frames = []
    this.#bytes = 0
    return this.write(frames.length === 1 ? frames[0]! : new Uint8ArrayList(...frames))
  }
}

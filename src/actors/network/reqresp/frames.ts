import type { Stream } from '@libp2p/interface'
import { FrameReader } from '../../../protocol/index.js'
import { asError } from '../../../protocol/thrown.js'

/** The stream ended or was reset before anything of a frame was there. */
export class StreamEnded extends Error {
  override readonly name = 'StreamEnded'
  constructor(options?: ErrorOptions) { super('the stream ended without a frame', options) }
}

/**
 * The one frame that the other side sends (SPEC §3). Reads as the bytes come, holds no more than the cap and not much more than what
 * was sent, ignores what follows the frame, and keeps ignoring it until the stream closes.
 * @throws ProtocolError for what is no frame or one above the cap, `StreamEnded`, or the signal's reason
 */
export function readOneFrame(stream: Stream, cap: number, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const reader = new FrameReader(cap)
    let settled = false
    let received = 0

    const settle = (act: () => void): void => {
      if (settled) return
      settled = true
      stream.removeEventListener('close', onClose)
      stream.removeEventListener('remoteCloseWrite', onEnd)
      signal.removeEventListener('abort', onAbort)
      act()
    }
    const fail = (error: unknown): void => { settle(() => { reject(asError(error)) }) }
    const push = (chunk: Uint8Array): void => {
      received += chunk.length
      const body = reader.push(chunk)
      if (body !== undefined) settle(() => { resolve(body) })
    }
    const onMessage = ({ data }: { data: Uint8Array | Iterable<Uint8Array> }): void => {
      if (settled) return
      try {
        if (data instanceof Uint8Array) push(data)
        else for (const chunk of data) push(chunk)
      } catch (error) {
        fail(error)
      }
      onEnd()
    }
    const ended = (cause?: unknown): void => {
      if (settled) return
      if (received === 0) { fail(new StreamEnded(cause === undefined ? undefined : { cause })); return }
      try { reader.end() } catch (error) { fail(error) }
    }
    /** Bytes may still wait in the stream's own buffer when the other side has closed: they come as a message of their own. */
    const onEnd = (): void => { if (stream.remoteWriteStatus === 'closed' && stream.readBufferLength === 0) ended() }
    const onClose = ({ error }: { error?: Error }): void => { ended(error) }
    const onAbort = (): void => { fail(signal.reason) }

    if (signal.aborted) { onAbort(); return }
    signal.addEventListener('abort', onAbort)
    stream.addEventListener('close', onClose)
    stream.addEventListener('remoteCloseWrite', onEnd)
    // stays until the stream is gone: without a listener what follows the frame would pile up in the stream
    stream.addEventListener('message', onMessage)
    // the negotiation before may have left bytes in the stream, which are dispatched from a microtask
    setImmediate(() => { if (!settled) { if (stream.status !== 'open') ended(); else onEnd() } })
  })
}

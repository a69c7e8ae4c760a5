import { yamux } from '@chainsafe/libp2p-yamux'
import type { StreamMuxerFactory } from '@libp2p/interface'

interface Header { readonly type: number; readonly length: number }
interface FrameHandler { handleFrame(frame: { readonly header: Header }): void }

/** The types of yamux's frames. */
export const DATA = 0
export const WINDOW_UPDATE = 1

/** The plain yamux, which shows every frame that comes in: read off the wire, as the other side made them. */
export function observedYamux(seen: (header: Header) => void): () => StreamMuxerFactory {
  return () => {
    const factory = yamux()()
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = connection => {
      const muxer = create(connection)
      const internal = muxer as unknown as FrameHandler
      const handle = internal.handleFrame.bind(muxer)
      internal.handleFrame = frame => {
        seen(frame.header)
        handle(frame)
      }
      return muxer
    }
    return factory
  }
}

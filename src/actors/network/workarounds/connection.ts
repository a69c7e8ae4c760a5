import '../../../polyfill.js'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { YamuxMuxerInit } from '@chainsafe/libp2p-yamux'
import type { StreamMuxerFactory } from '@libp2p/interface'
import { NetworkError } from '../errors.js'
import type { Handshake, Negotiated, StreamWindows } from '../handshake/handshake.js'
import { joinWrites } from './joined-writes.js'
import { lengthsWithoutTraces } from './noise-lengths.js'
import { fewerWindowUpdates } from './window-updates.js'
import type { WindowedStream } from './window-updates.js'
import { YAMUX_VERSION, limitFrames } from './yamux-frames.js'
import type { SizedStream } from './yamux-frames.js'

interface MuxerInternals {
  _newStream(id: number, state: number, direction: 'inbound' | 'outbound'): SizedStream & WindowedStream & Negotiated
}

/** What yamux lets the other side send on a new stream, and by default on any. Bytes. */
const FIRST_WINDOW = 256 * 1_024
const LARGEST_WINDOW = 16 * 1_024 * 1_024

/** yamux, and noise below it, with the remedies that each connection and each stream needs; where a handshake is given, under its limits. */
export function mendedYamux(init: YamuxMuxerInit = {}, handshake?: Handshake): () => StreamMuxerFactory {
  const windows: StreamWindows = { first: FIRST_WINDOW, largest: init.streamOptions?.maxStreamWindowSize ?? LARGEST_WINDOW }
  return () => {
    const factory = yamux(init)()
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = maConn => {
      const muxer = create(maConn)
      const internals = muxer as unknown as MuxerInternals
      if (typeof internals._newStream !== 'function') throw new NetworkError('library_changed', 'yamux has no _newStream any more', { value: YAMUX_VERSION })
      const newStream = internals._newStream.bind(muxer)
      const guard = handshake?.muxer(muxer, maConn, windows)
      internals._newStream = (id, state, direction) => {
        const stream = fewerWindowUpdates(limitFrames(newStream(id, state, direction)))
        if (guard !== undefined && direction === 'inbound') handshake?.inboundStream(stream, maConn, guard)
        return stream
      }
      joinWrites(muxer, maConn)
      lengthsWithoutTraces(maConn)
      return muxer
    }
    return factory
  }
}

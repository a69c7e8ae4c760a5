import '../../../polyfill.js'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { YamuxMuxerInit } from '@chainsafe/libp2p-yamux'
import type { StreamMuxerFactory } from '@libp2p/interface'
import { NetworkError } from '../errors.js'
import { joinWrites } from './joined-writes.js'
import { lengthsWithoutTraces } from './noise-lengths.js'
import { fewerWindowUpdates } from './window-updates.js'
import type { WindowedStream } from './window-updates.js'
import { YAMUX_VERSION, limitFrames } from './yamux-frames.js'
import type { SizedStream } from './yamux-frames.js'

interface MuxerInternals { _newStream(...args: unknown[]): SizedStream & WindowedStream }

/** yamux, and noise below it, with the remedies that each connection and each stream needs. */
export function mendedYamux(init: YamuxMuxerInit = {}): () => StreamMuxerFactory {
  return () => {
    const factory = yamux(init)()
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = maConn => {
      const muxer = create(maConn)
      const internals = muxer as unknown as MuxerInternals
      if (typeof internals._newStream !== 'function') throw new NetworkError('library_changed', 'yamux has no _newStream any more', { value: YAMUX_VERSION })
      const newStream = internals._newStream.bind(muxer)
      internals._newStream = (...args) => fewerWindowUpdates(limitFrames(newStream(...args)))
      joinWrites(muxer, maConn)
      lengthsWithoutTraces(maConn)
      return muxer
    }
    return factory
  }
}

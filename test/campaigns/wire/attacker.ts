import '../../../src/polyfill.js'
import { createConnection } from 'node:net'
import type { Socket } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { Libp2p, Stream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

/** Whom it is about. */
export interface Target {
  /** Multiaddr with the peer id. */
  readonly address: string
  /** Where its discv5 listens; left out: it has none. */
  readonly discovery?: { readonly port: number; readonly nodeId: string } | undefined
}

export const portOf = ({ address }: Target): number => Number(/\/tcp\/(\d+)/.exec(address)?.[1])
export const peerOf = ({ address }: Target): string => address.slice(address.lastIndexOf('/') + 1)

const DIAL_WITHIN = 4_000

/** A TCP connection with nothing on it, from one of this machine's loopback addresses. Errors are its end. */
export async function rawSocket(target: Target, from: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port: portOf(target), localAddress: from, noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => undefined)
      socket.resume()
      resolve(socket)
    })
  })
}

/** A peer of the plain libraries, with its own identity, whose muxer sends whatever it is told. */
export class Attacker {
  readonly #node: Libp2p
  readonly #peer: string
  #muxer: StreamMuxer | undefined

  private constructor(node: Libp2p, peer: string) {
    this.#node = node
    this.#peer = peer
  }

  /** @throws where it is not let in */
  static async connect(target: Target, from: string): Promise<Attacker> {
    const made: { attacker?: Attacker; muxer?: StreamMuxer } = {}
    const capturing = (): StreamMuxerFactory => {
      const factory = yamux()()
      const create = factory.createStreamMuxer.bind(factory)
      factory.createStreamMuxer = connection => (made.muxer = create(connection))
      return factory
    }
    const node = await createLibp2p({
      addresses: { listen: [] }, transports: [tcp({ dialOpts: { localAddress: from } as never })], connectionEncrypters: [noise()], streamMuxers: [capturing],
      connectionMonitor: { enabled: false }, services: { identify: identify() },
    })
    const attacker = new Attacker(node, peerOf(target))
    try {
      await node.dial(multiaddr(target.address), { signal: AbortSignal.timeout(DIAL_WITHIN) })
    } catch (error) {
      await node.stop()
      throw error
    }
    attacker.#muxer = made.muxer
    return attacker
  }

  get isConnected(): boolean { return this.#node.getConnections().some(({ status }) => status === 'open') }

  /** Bytes below the streams, in pieces that noise takes. What comes after the other side has closed goes nowhere. */
  frames(...frames: readonly Uint8Array[]): void {
    const all = Buffer.concat(frames)
    for (let at = 0; at < all.length; at += 60_000) {
      try { (this.#muxer as unknown as { send(bytes: Uint8Array): void }).send(all.subarray(at, at + 60_000)) } catch { return }
    }
  }

  /** @throws where there is none any more, or the protocol is not spoken */
  async open(protocol: string): Promise<Stream> {
    const connection = this.#node.getConnections().find(({ remotePeer, status }) => remotePeer.toString() === this.#peer && status === 'open')
    if (connection === undefined) throw new Error('not connected')
    const stream = await connection.newStream([protocol], { signal: AbortSignal.timeout(DIAL_WITHIN) })
    stream.addEventListener('message', () => undefined)
    return stream
  }

  async stop(): Promise<void> { await this.#node.stop() }
}

/** Writes to a stream that may be gone. */
export function tell(stream: Stream, bytes: Uint8Array): boolean {
  try {
    stream.maxWriteBufferLength = 64 * 1_024 * 1_024
    stream.send(bytes)
    return true
  } catch {
    return false
  }
}

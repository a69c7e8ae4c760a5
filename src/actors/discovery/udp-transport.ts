import { createSocket } from 'node:dgram'
import type { RemoteInfo, Socket } from 'node:dgram'
import { EventEmitter } from 'node:events'
import { getSocketAddressOnENR, multiaddrFromSocketAddress } from '@chainsafe/discv5'
import type { ITransportService, IPMode } from '@chainsafe/discv5'
import { PacketType, decodePacket, encodePacket } from '@chainsafe/discv5/packet'
import type { IPacket } from '@chainsafe/discv5/packet'
import { DiscoveryError } from './errors.js'
import { addressOf, ipFromText } from './ip.js'
import type { Ip } from './ip.js'
import { asError } from '../../protocol/thrown.js'

/** A multiaddr of the version that discv5 speaks (12, while the driver speaks 13). */
export type DiscAddress = ReturnType<typeof multiaddrFromSocketAddress>

export interface UdpTransportInit {
  readonly nodeId: string
  readonly ip: Ip
  /** 0: any free one. */
  readonly port: number
  /** Whether a packet from this address is to be looked at. */
  allows(address: string): boolean
  /** A packet goes to this address that is no mere challenge to whoever wrote to us. */
  talksWith(address: string): void
  /** A packet made the library throw. */
  threw(error: unknown): void
  /** The socket broke after it was bound. */
  failed(error: DiscoveryError): void
}

/** What a packet waits in the kernel for while the event loop is busy: about 200 packets. */
const RECEIVE_BUFFER = 256 * 1024

/**
 * The socket under discv5. Its own transport (11.0.0) has no handler for errors: a port in use, and later a host or network that cannot
 * be reached, which any record can name, end the process. It also does not tell which port it got, and what a packet makes the library
 * throw goes through to the process.
 */
export class UdpTransport extends EventEmitter implements ITransportService {
  bindAddrs: DiscAddress[] = []
  readonly ipMode: IPMode
  #socket: Socket | undefined
  #bound = 0

  constructor(private readonly init: UdpTransportInit) {
    super()
    this.ipMode = init.ip.family === 4 ? { ip4: true, ip6: false } : { ip4: false, ip6: true }
  }

  /** The port that the socket is bound to; 0 before. */
  get port(): number { return this.#bound }

  /** Takes the port. @throws DiscoveryError `bind_failed` */
  async bind(): Promise<void> {
    const { ip, port } = this.init
    const socket = createSocket({ type: ip.family === 4 ? 'udp4' : 'udp6', ipv6Only: ip.family === 6, recvBufferSize: RECEIVE_BUFFER })
    await new Promise<void>((resolve, reject) => {
      const refused = (cause: Error): void => {
        socket.close()
        reject(new DiscoveryError('bind_failed', `UDP ${addressOf(ip, 'udp', port)}: ${cause.message}`, { value: addressOf(ip, 'udp', port), cause }))
      }
      socket.once('error', refused)
      socket.bind(port, ip.text, () => {
        socket.off('error', refused)
        resolve()
      })
    })
    socket.on('error', cause => { this.init.failed(new DiscoveryError('socket_failed', cause.message, { cause })) })
    this.#socket = socket
    this.#bound = socket.address().port
    this.bindAddrs = [socketAddress(ip, this.#bound)]
  }

  /** Begins to listen. Bound already: our record has to name the port before anybody reads it. */
  async start(): Promise<void> {
    if (this.#socket === undefined) await this.bind()
    this.#socket?.on('message', this.#received)
  }

  async stop(): Promise<void> {
    const socket = this.#socket
    this.#socket = undefined
    if (socket === undefined) return
    socket.off('message', this.#received)
    await new Promise<void>(resolve => { socket.close(() => { resolve() }) })
  }

  async send(to: DiscAddress, toId: string, packet: IPacket): Promise<void> {
    const { family, host, port } = to.toOptions()
    if (family !== this.init.ip.family) throw new Error(`no socket of IPv${family}`)
    // a challenge goes to whatever address stands on an undecryptable packet
    if (packet.header.flag !== PacketType.WhoAreYou) this.init.talksWith(host)
    // with a callback, an error is not an event, and whether a packet has left is not known anyway
    this.#socket?.send(encodePacket(toId, packet), port, host, () => undefined)
  }

  getContactableAddr(record: Parameters<ITransportService['getContactableAddr']>[0]): ReturnType<ITransportService['getContactableAddr']> {
    return getSocketAddressOnENR(record, this.ipMode)
  }

  readonly #received = (data: Buffer, { address, port }: RemoteInfo): void => {
    const ip = ipFromText(address)
    if (ip === undefined || port === 0 || !this.init.allows(address)) return
    const from = socketAddress(ip, port)
    let packet: IPacket
    try {
      packet = decodePacket(this.init.nodeId, data)
    } catch (error) {
      this.emit('decodeError', asError(error), from)
      return
    }
    try {
      this.emit('packet', from, packet)
    } catch (error) {
      this.init.threw(error)
    }
  }
}

/** `/ip4/…/udp/…` in discv5's own form. */
export function socketAddress(ip: Ip, port: number): DiscAddress {
  return multiaddrFromSocketAddress({ ip: { type: ip.family, octets: ip.bytes }, port })
}

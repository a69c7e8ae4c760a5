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

/** A multiaddr of the version that discv5 uses: 12, where the driver uses 13. */
export type DiscAddress = ReturnType<typeof multiaddrFromSocketAddress>

export interface UdpTransportInit {
  readonly nodeId: string
  readonly ip: Ip
  /** The UDP port; 0: any free port. */
  readonly port: number
  /** Whether a packet from this address may be processed; false drops it. */
  allows(address: string): boolean
  /** Called when a packet other than a challenge is sent to an address. */
  talksWith(address: string): void
  /** Called when a packet makes the library throw. */
  threw(error: unknown): void
  /** Called when the socket fails after it was bound. */
  failed(error: DiscoveryError): void
}

/** Size of the socket's receive buffer, in bytes: room for about 200 packets while the event loop is busy. */
const RECEIVE_BUFFER = 256 * 1024

/**
 * The UDP socket of discv5. The library's own transport (11.0.0) has three faults. It handles no socket errors, so a port in use ends the process,
 * and so does an unreachable address, which any record can name. It does not report the port that it bound. An error that a packet causes in the
 * library ends the process too.
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

  /** The port that the socket is bound to; 0 before `bind`. */
  get port(): number { return this.#bound }

  /** Binds the port. @throws DiscoveryError `bind_failed` */
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

  /** Starts to pass on packets. The socket is bound before this, because our record must contain the port. */
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
    if (family !== this.init.ip.family) throw new Error(`there is no IPv${family} socket`)
    // a challenge answers an undecryptable packet, whose source address may be forged
    if (packet.header.flag !== PacketType.WhoAreYou) this.init.talksWith(host)
    // with a callback, a send error is not emitted as an event; UDP gives no guarantee of delivery anyway
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

/** The multiaddr `/ip4/…/udp/…` in the version that discv5 uses. */
export function socketAddress(ip: Ip, port: number): DiscAddress {
  return multiaddrFromSocketAddress({ ip: { type: ip.family, octets: ip.bytes }, port })
}

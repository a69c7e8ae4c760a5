import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/** A TCP port on loopback that leads to another one; whatever goes through it, either way, comes out some time later, in order. */
export class SlowLink {
  readonly #sockets = new Set<Socket>()
  readonly #server: Server

  private constructor(private readonly to: string, port: number, delay: number) {
    this.#server = createServer(inward => {
      const outward = connect(port, '127.0.0.1')
      this.#carry(inward, outward, delay)
      this.#carry(outward, inward, delay)
    })
  }

  /** A link to a multiaddr `/ip4/…/tcp/PORT/p2p/…`. */
  static async to(multiaddr: string, delay: number): Promise<SlowLink> {
    const link = new SlowLink(multiaddr, Number(/\/tcp\/(\d+)/.exec(multiaddr)?.[1]), delay)
    await new Promise<void>(resolve => { link.#server.listen(0, '127.0.0.1', resolve) })
    return link
  }

  /** The same multiaddr with the link's own port. */
  get address(): string { return this.to.replace(/\/tcp\/\d+/, `/tcp/${(this.#server.address() as AddressInfo).port}`) }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #carry(from: Socket, to: Socket, delay: number): void {
    this.#sockets.add(from)
    from.setNoDelay(true)
    from.on('data', chunk => { setTimeout(() => { if (to.writable) to.write(chunk) }, delay) })
    from.on('end', () => { setTimeout(() => { to.end() }, delay) })
    from.on('error', () => { to.destroy() })
    from.on('close', () => { this.#sockets.delete(from) })
  }
}

import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

const HASH = `0x${'00'.repeat(32)}`
const MAX_BODY = 64 * 1_024

/** Stands for an L2 execution client: says over JSON-RPC on loopback which block L1 has, as it is told to. */
export class L2StandIn {
  /** The last L2 block that L1 has; `undefined`: none. */
  confirmed: bigint | undefined
  /** The L1 block that has it. */
  l1Block = 1n
  calls = 0

  private constructor(private readonly server: Server, private readonly chainId: bigint) {
    server.on('request', (request, response) => {
      const chunks: Buffer[] = []
      let size = 0
      request.on('data', (chunk: Buffer) => { if ((size += chunk.length) <= MAX_BODY) chunks.push(chunk); else request.destroy() })
      request.on('end', () => {
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify(this.#answer(JSON.parse(Buffer.concat(chunks).toString()) as { id: unknown; method: string })))
      })
    })
  }

  static async start(chainId: bigint): Promise<L2StandIn> {
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', resolve)
    })
    return new L2StandIn(server, chainId)
  }

  get url(): string { return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/` }

  async close(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise(resolve => { this.server.close(resolve) })
  }

  #answer({ id, method }: { readonly id: unknown; readonly method: string }): object {
    this.calls++
    const answer = (result: unknown): object => ({ jsonrpc: '2.0', id, result })
    if (method === 'eth_chainId') return answer(hex(this.chainId))
    if (method !== 'taiko_headL1Origin') return { jsonrpc: '2.0', id, error: { code: -32_601, message: `no method ${method}` } }
    return answer(this.confirmed === undefined ? null : { blockID: hex(this.confirmed), l2BlockHash: HASH, l1BlockHeight: hex(this.l1Block), l1BlockHash: HASH })
  }
}

const hex = (value: bigint): string => `0x${value.toString(16)}`

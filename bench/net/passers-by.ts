import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { DEFAULT_CHAIN_ID, encodeFrame, protocolsOf } from '../../src/protocol/index.js'
import { bareGossip, topics } from './bare-gossip.js'
import { createBare } from './bare-libp2p.js'
import { TIP } from './blocks.js'

const protocols = protocolsOf(DEFAULT_CHAIN_ID)
/** How long an answer may take, ms. */
const WITHIN = 5_000

/** So many peers, one after the other, each of another identity: dials, joins the mesh, asks for the head and for commitments, and leaves. */
export async function comeAndGo(address: string, cycles: number, everyMs: number): Promise<number> {
  let answered = 0
  for (let cycle = 0; cycle < cycles; cycle++) {
    const next = performance.now() + everyMs
    const node = await createBare({ listen: false, gossip: bareGossip })
    node.services.pubsub.subscribe(topics.commitments)
    try {
      const connection = await node.dial(multiaddr(address))
      await sleep(everyMs / 4)
      for (const [protocol, request] of [[protocols.head, headRequest], [protocols.commitments, pageRequest]] as const) {
        if (await ask(connection, protocol, request) > 0) answered++
      }
    } catch {
      // seen in the count of answers
    } finally {
      await node.stop()
    }
    await sleep(Math.max(0, next - performance.now()))
  }
  return answered
}

const headRequest = encodeFrame(Uint8Array.from([4, 0, 0, 0]))
const pageRequest = encodeFrame(page(TIP + 1, 64))

function page(start: number, count: number): Uint8Array {
  const bytes = new Uint8Array(36)
  new DataView(bytes.buffer).setUint32(0, start, true)
  new DataView(bytes.buffer).setUint32(32, count, true)
  return bytes
}

/** Sends one frame, and gives the bytes of what comes back until the other side has ended. */
async function ask(connection: Connection, protocol: string, request: Uint8Array): Promise<number> {
  const stream = await connection.newStream([protocol], { signal: AbortSignal.timeout(WITHIN) })
  let bytes = 0
  const ended = new Promise<void>(resolve => {
    stream.addEventListener('message', ({ data }) => { bytes += data.byteLength })
    stream.addEventListener('remoteCloseWrite', () => { resolve() })
    stream.addEventListener('close', () => { resolve() })
  })
  stream.send(request)
  await stream.close({ signal: AbortSignal.timeout(WITHIN) })
  await Promise.race([ended, sleep(WITHIN)])
  return bytes
}

import { asText } from '../../operate/json.js'
import type { NodeLine } from './node-process.js'

export type NodeState = 'to come' | 'starting' | 'its turn' | 'following' | 'syncing' | 'stopped' | 'ended'

/** What one node has done so far, as its own events tell. Messages are commitments and txlists. */
export interface Tally {
  readonly name: string
  readonly role: string
  state: NodeState
  /** Its head's height; zero while it has none. */
  head: bigint
  /** Messages of its own. */
  published: number
  /** Messages of others. */
  accepted: number
  /** Messages that cost their sender reputation: in an honest network none. */
  rejected: number
  /** Messages that are durable on its disk. */
  stored: number
  /** Requests of peers that it answered. */
  served: number
  handovers: number
  readonly peers: Set<string>
}

export const newTally = (name: string, role: string): Tally => ({
  name,
  role,
  state: 'to come',
  head: 0n,
  published: 0,
  accepted: 0,
  rejected: 0,
  stored: 0,
  served: 0,
  handovers: 0,
  peers: new Set(),
})

/** Counts one event of the node. */
export function count(tally: Tally, line: NodeLine): void {
  switch (line.event) {
    case 'published': tally.published++; break
    case 'commitment': case 'txlist': if (line['from'] !== null) tally.accepted++; break
    // What we have already, and what comes round again, is no fault of anybody.
    case 'rejected': if (line['verdict'] === 'reject') tally.rejected++; break
    case 'stored': tally.stored++; break
    case 'served': tally.served++; break
    case 'handover': tally.handovers++; break
    case 'head': tally.head = BigInt(asText(line['blockNumber'])); break
    case 'peerConnected': tally.peers.add(asText(line['peer'])); break
    case 'peerDisconnected': tally.peers.delete(asText(line['peer'])); break
  }
}

/** Times from publishing to acceptance elsewhere, ms. */
export class Latencies {
  readonly #publishedAt = new Map<string, number>()
  readonly #samples: number[] = []

  published(hash: string, at: number): void { this.#publishedAt.set(hash, at) }

  accepted(hash: string, at: number): void {
    const from = this.#publishedAt.get(hash)
    if (from !== undefined) this.#samples.push(at - from)
  }

  get count(): number { return this.#samples.length }

  /** The value that a share `q` of the samples stays at or below; `undefined` without samples. */
  quantile(q: number): number | undefined {
    const sorted = this.#samples.toSorted((a, b) => a - b)
    return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]
  }
}

import type { PeerKey } from '../../protocol/peer-key.js'

/** A peer that was connected and spoke our protocols. */
export interface KnownPeer {
  readonly peer: PeerKey
  /** The address at which it was reached, or that its record claims; ends in `/p2p/…`. */
  readonly address: string
  /** `enr:…`, if it is known. */
  readonly record?: string | undefined
}

const LONGEST_ADDRESS = 512
/** An ENR has at most 300 bytes, 404 characters with its prefix. */
const LONGEST_RECORD = 404

/** The peers to dial first after a restart, the most recently ready first (SPEC §7, H23). */
export class KnownPeers {
  readonly #peers = new Map<PeerKey, KnownPeer>()

  constructor(private readonly max: number) {}

  get size(): number { return this.#peers.size }
  /** The most recently ready first. */
  all(): KnownPeer[] { return [...this.#peers.values()].reverse() }
  get(peer: PeerKey): KnownPeer | undefined { return this.#peers.get(peer) }

  /** Notes that a peer was ready. What is left out stays as it was. Above the maximum the least recently ready peer is evicted. */
  succeeded(peer: PeerKey, { address, record }: { readonly address?: string | undefined; readonly record?: string | undefined }): void {
    const former = this.#peers.get(peer)
    const reached = address ?? former?.address
    if (reached === undefined || reached.length > LONGEST_ADDRESS) return
    this.#peers.delete(peer)
    this.#peers.set(peer, { peer, address: reached, record: record ?? former?.record })
    const oldest = this.#peers.keys().next()
    if (this.#peers.size > this.max && oldest.done !== true) this.#peers.delete(oldest.value)
  }

  /** The text to save. */
  toText(): string { return JSON.stringify(this.all()) }

  /** Restores a text of `toText`. Returns the number of malformed entries, which are skipped. */
  restore(text: string): number {
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch {
      return 1
    }
    if (!Array.isArray(parsed)) return 1
    const good = parsed.filter(isKnownPeer)
    for (const { peer, address, record } of good.slice(0, this.max).reverse()) this.succeeded(peer, { address, record })
    return parsed.length - good.length
  }
}

function isKnownPeer(value: unknown): value is KnownPeer {
  if (typeof value !== 'object' || value === null) return false
  const { peer, address, record } = value as Record<string, unknown>
  return typeof peer === 'string' && typeof address === 'string' && address.length <= LONGEST_ADDRESS && address.endsWith(`/p2p/${peer}`)
    && (record === undefined || (typeof record === 'string' && record.length <= LONGEST_RECORD))
}

import type { PeerKey } from '../../protocol/peer-key.js'

/** A peer that was connected and spoke our protocols. */
export interface KnownPeer {
  readonly peer: PeerKey
  /** Where it was reached, or says that it is; ends in `/p2p/…`. */
  readonly address: string
  /** `enr:…`, where it is known. */
  readonly record?: string | undefined
}

const LONGEST_ADDRESS = 512
/** An ENR has at most 300 bytes, 404 characters with its prefix. */
const LONGEST_RECORD = 404

/** The peers to come back to after a restart, the newest success first (SPEC §7, H23). */
export class KnownPeers {
  readonly #peers = new Map<PeerKey, KnownPeer>()

  constructor(private readonly max: number) {}

  get size(): number { return this.#peers.size }
  /** The newest success first. */
  all(): KnownPeer[] { return [...this.#peers.values()].reverse() }
  get(peer: PeerKey): KnownPeer | undefined { return this.#peers.get(peer) }

  /** It was ready just now; the one whose success is longest ago gives way. What is left out is as it was. */
  succeeded(peer: PeerKey, { address, record }: { readonly address?: string | undefined; readonly record?: string | undefined }): void {
    const former = this.#peers.get(peer)
    const reached = address ?? former?.address
    if (reached === undefined || reached.length > LONGEST_ADDRESS) return
    this.#peers.delete(peer)
    this.#peers.set(peer, { peer, address: reached, record: record ?? former?.record })
    const oldest = this.#peers.keys().next()
    if (this.#peers.size > this.max && oldest.done !== true) this.#peers.delete(oldest.value)
  }

  /** For the store. */
  toText(): string { return JSON.stringify(this.all()) }

  /** Takes what `toText` gave. What is not of that form is left out; how many entries that were. */
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

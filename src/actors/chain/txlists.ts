import { LRUCache } from 'lru-cache'
import type { Commitment } from './commitment.js'
import { keyOf } from './commitment.js'
import type { ChainConfig } from './config.js'
import type { PeerKey } from '../../protocol/peer-key.js'

type LedgerConfig = Pick<ChainConfig, 'unreferencedBytes' | 'unreferencedBytesPerPeer' | 'unreferencedFor' | 'maxMissingTxLists'>

/** What a small txlist counts as, bytes: so that many tiny ones cannot crowd the map. */
export const LEAST_CHARGE = 4_096

/** A txlist that no canonical block names (yet). Its bytes are with the store. */
export interface Unreferenced {
  readonly hash: Uint8Array
  /** `undefined`: our own. */
  readonly peer: PeerKey | undefined
  readonly charge: number
  readonly since: number
}

/** Whether a txlist may come in, and in which part of the house it then lies (SPEC §6, Txlists). */
export type Admission =
  /** A canonical block of this height names it. */
  | { readonly kind: 'referenced'; readonly blockNumber: bigint }
  | { readonly kind: 'unreferenced' }
  | { readonly kind: 'known' }
  /** Its sender's share, or the whole, is used up. */
  | { readonly kind: 'no_room' }

/**
 * Which txlists there are, which are named, and whose unnamed ones use up how much (H13): an unnamed one is admitted within its sender's
 * share or not at all, so that nobody's flood can drive out what is there. Our own count to no share.
 */
export class TxListLedger {
  readonly #unreferenced = new Map<string, Unreferenced>()
  readonly #shares = new Map<PeerKey, number>()
  #bytes = 0
  /** Named by canonical blocks in memory: by how many, and whether it is there. */
  readonly #named = new Map<string, { names: number; blockNumber: bigint; here: boolean }>()
  /** Named and wanted, also where the commitment has left the memory: the height. */
  readonly #missing: LRUCache<string, bigint>

  constructor(private readonly config: LedgerConfig) {
    this.#missing = new LRUCache({ max: config.maxMissingTxLists })
  }

  get unreferencedBytes(): number { return this.#bytes }
  get unreferenced(): number { return this.#unreferenced.size }
  get missing(): number { return this.#missing.size }

  admit(hash: Uint8Array, bytes: number, peer: PeerKey | undefined): Admission {
    const key = keyOf(hash)
    const named = this.#named.get(key)
    if (named?.here === true || this.#unreferenced.has(key)) return { kind: 'known' }
    const blockNumber = named?.blockNumber ?? this.#missing.get(key)
    if (blockNumber !== undefined) return { kind: 'referenced', blockNumber }
    if (peer === undefined) return { kind: 'unreferenced' }
    const charge = Math.max(bytes, LEAST_CHARGE)
    const fits = (this.#shares.get(peer) ?? 0) + charge <= this.config.unreferencedBytesPerPeer && this.#bytes + charge <= this.config.unreferencedBytes
    return { kind: fits ? 'unreferenced' : 'no_room' }
  }

  addUnreferenced(hash: Uint8Array, bytes: number, peer: PeerKey | undefined, now: number): void {
    const charge = peer === undefined ? 0 : Math.max(bytes, LEAST_CHARGE)
    this.#unreferenced.set(keyOf(hash), { hash: hash.slice(), peer, charge, since: now })
    if (peer === undefined) return
    this.#bytes += charge
    this.#shares.set(peer, (this.#shares.get(peer) ?? 0) + charge)
  }

  /** It is here, and a canonical block names it. */
  addReferenced(hash: Uint8Array): void {
    const key = keyOf(hash)
    const named = this.#named.get(key)
    if (named !== undefined) named.here = true
    this.#missing.delete(key)
  }

  /** A canonical block names a txlist (H50: nothing else does). Gives who brought it, where it is here already; `missing` where it is not. */
  name(commitment: Commitment): { readonly kind: 'here'; readonly broughtBy: PeerKey | undefined } | { readonly kind: 'missing' } | undefined {
    const hash = commitment.txListHash
    if (hash === undefined) return undefined
    const key = keyOf(hash)
    const named = this.#named.get(key) ?? { names: 0, blockNumber: commitment.number, here: false }
    this.#named.set(key, named)
    named.names++
    const unreferenced = this.#unreferenced.get(key)
    if (unreferenced !== undefined) {
      this.#remove(key, unreferenced)
      named.here = true
    }
    if (named.here) return { kind: 'here', broughtBy: unreferenced?.peer }
    this.#missing.set(key, commitment.number)
    return { kind: 'missing' }
  }

  /** It is not here any more. */
  lost(hash: Uint8Array, height: bigint | undefined): void {
    const key = keyOf(hash)
    const named = this.#named.get(key)
    if (named !== undefined) named.here = false
    const unreferenced = this.#unreferenced.get(key)
    if (unreferenced !== undefined) this.#remove(key, unreferenced)
    if (height !== undefined) this.#missing.set(key, height)
  }

  /** A canonical block has left the memory. Whether its txlist is missing is remembered on its own. Gives whether another names it. */
  unname(commitment: Commitment): boolean {
    const hash = commitment.txListHash
    if (hash === undefined) return true
    const key = keyOf(hash)
    const named = this.#named.get(key)
    if (named === undefined || --named.names > 0) return named !== undefined
    this.#named.delete(key)
    return false
  }

  /** A block is canonical no more: its txlist is missing only where another names it. */
  left(commitment: Commitment): boolean {
    const { txListHash } = commitment
    const named = this.unname(commitment)
    return named || txListHash === undefined || !this.#missing.delete(keyOf(txListHash))
  }

  /** Restored from the store, which knows whether its txlist is there. */
  restore(commitment: Commitment): void {
    const hash = commitment.txListHash
    if (hash === undefined) return
    const key = keyOf(hash)
    const named = this.#named.get(key) ?? { names: 0, blockNumber: commitment.number, here: false }
    named.names++
    this.#named.set(key, named)
  }

  /** Lets go of those that no commitment has named for too long. */
  expire(now: number): Unreferenced[] {
    const expired: Unreferenced[] = []
    for (const [key, each] of this.#unreferenced) {
      if (now - each.since < this.config.unreferencedFor) break
      this.#remove(key, each)
      expired.push(each)
    }
    return expired
  }

  #remove(key: string, { peer, charge }: Unreferenced): void {
    this.#unreferenced.delete(key)
    if (peer === undefined) return
    this.#bytes -= charge
    const left = (this.#shares.get(peer) ?? 0) - charge
    if (left > 0) this.#shares.set(peer, left)
    else this.#shares.delete(peer)
  }
}

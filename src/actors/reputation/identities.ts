import { LRUCache } from 'lru-cache'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { ReputationBackend } from './backend.js'

/** Length of an uncompressed secp256k1 public key without the prefix 0x04. */
export const PUBLIC_KEY_BYTES = 64

export interface IdentitiesNeeds {
  readonly backend: ReputationBackend
  /** The public key in a secp256k1 peer id; `undefined` for other kinds of peer id. */
  readonly publicKeyOf: (peer: PeerKey) => Uint8Array | undefined
  readonly maxKeys: number
  /** Called when the backend or `publicKeyOf` throws or returns a value of the wrong type. */
  readonly failed: (where: string, error: unknown) => void
}

interface Identity {
  /** The key that follows from the peer id alone. */
  readonly own: string
  /** The key of an ENR that names this peer. It proves that the key's owner vouches for the peer, not that the peer knows the key. */
  readonly claimed: string | undefined
  /** Whether the peer shares the score and the bans of `claimed`. */
  readonly bound: boolean
}

/** Maps peer ids to keys, as the backend decides. Bounded. */
export class Identities {
  readonly #needs: IdentitiesNeeds
  readonly #known: LRUCache<PeerKey, Identity>
  /** The known peers of each key that is not a peer id. */
  readonly #peers = new Map<string, Set<PeerKey>>()

  constructor(needs: IdentitiesNeeds) {
    this.#needs = needs
    this.#known = new LRUCache({ max: needs.maxKeys, dispose: (identity, peer) => { this.#unlist(keyOf(identity), peer) } })
  }

  /** The key under which a peer's score is kept. */
  keyOf(peer: PeerKey): string { return keyOf(this.#of(peer)) }

  /** The known peers that have one of these keys. */
  peersOf(keys: Iterable<string>): readonly PeerKey[] { return [...keys].flatMap(key => [...this.#peers.get(key) ?? []]) }

  /** The keys that a ban of the peer covers: the one of its score, and the one of the ENR that names it. */
  keysOf(peer: PeerKey): readonly string[] {
    const { claimed } = this.#of(peer)
    const key = this.keyOf(peer)
    return claimed === undefined || claimed === key ? [key] : [key, claimed]
  }

  /**
   * Takes the public key of an ENR that names the peer. Only the first ENR counts, so that another one cannot take the peer over. If `binds`
   * returns true, the peer shares the score and bans of that key from now on, and the old and the new key are returned.
   */
  learn(peer: PeerKey, publicKey: Uint8Array, binds: () => boolean): { readonly from: string; readonly to: string } | undefined {
    const { own, claimed: before } = this.#of(peer)
    if (before !== undefined || publicKey.length !== PUBLIC_KEY_BYTES || this.#publicKeyOf(peer) !== undefined) return undefined
    const claimed = this.#ask(peer, publicKey)
    if (claimed === own) return undefined
    const bound = binds()
    this.#remember(peer, { own, claimed, bound })
    return bound ? { from: own, to: claimed } : undefined
  }

  #of(peer: PeerKey): Identity {
    const known = this.#known.get(peer)
    if (known !== undefined) return known
    const identity = { own: this.#ask(peer, this.#publicKeyOf(peer)), claimed: undefined, bound: false }
    this.#remember(peer, identity)
    return identity
  }

  #remember(peer: PeerKey, identity: Identity): void {
    this.#known.set(peer, identity)
    const key = keyOf(identity)
    if (key === peer) return
    const peers = this.#peers.get(key)
    if (peers === undefined) this.#peers.set(key, new Set([peer]))
    else peers.add(peer)
  }

  #unlist(key: string, peer: PeerKey): void {
    const peers = this.#peers.get(key)
    if (peers?.delete(peer) === true && peers.size === 0) this.#peers.delete(key)
  }

  #publicKeyOf(peer: PeerKey): Uint8Array | undefined {
    try {
      const key = this.#needs.publicKeyOf(peer)
      return key?.length === PUBLIC_KEY_BYTES ? key : undefined
    } catch (error) {
      this.#needs.failed('publicKeyOf', error)
      return undefined
    }
  }

  #ask(peer: PeerKey, publicKey: Uint8Array | undefined): string {
    try {
      const key: unknown = this.#needs.backend.keyOf(peer, publicKey)
      if (typeof key === 'string' && key.length > 0) return key
      this.#needs.failed('keyOf', new TypeError('the key returned is not a string'))
    } catch (error) {
      this.#needs.failed('keyOf', error)
    }
    return peer
  }
}

const keyOf = ({ own, claimed, bound }: Identity): string => bound && claimed !== undefined ? claimed : own

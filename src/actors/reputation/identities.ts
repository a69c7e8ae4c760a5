import { LRUCache } from 'lru-cache'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { ReputationBackend } from './backend.js'

/** Bytes of an uncompressed secp256k1 public key without its 0x04. */
export const PUBLIC_KEY_BYTES = 64

export interface IdentitiesNeeds {
  readonly backend: ReputationBackend
  /** The public key that a secp256k1 peer id is made of; `undefined` for ids of another kind. */
  readonly publicKeyOf: (peer: PeerKey) => Uint8Array | undefined
  readonly maxKeys: number
  /** The backend, or `publicKeyOf`, has thrown or answered nonsense. */
  readonly failed: (where: string, error: unknown) => void
}

interface Identity {
  /** By the peer id alone. */
  readonly own: string
  /** By the ENR that names this peer; the owner of that key vouches for the peer, but not the peer for the key. */
  readonly claimed: string | undefined
  /** Whether the peer stands and falls with `claimed`. */
  readonly bound: boolean
}

/** Peer id to key, as the backend tells peers apart. */
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

  /** The peers known to be of one of these keys. */
  peersOf(keys: Iterable<string>): readonly PeerKey[] { return [...keys].flatMap(key => [...this.#peers.get(key) ?? []]) }

  /** All keys that answer for what the peer does: its own, and the one that vouches for it. */
  keysOf(peer: PeerKey): readonly string[] {
    const { claimed } = this.#of(peer)
    const key = this.keyOf(peer)
    return claimed === undefined || claimed === key ? [key] : [key, claimed]
  }

  /**
   * An ENR with this key names the peer. The first one counts: another ENR that names the same peer cannot take it over. `binds` says
   * whether the peer stands and falls with the key from now on; then both keys are given.
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
      this.#needs.failed('keyOf', new TypeError('a key is a text'))
    } catch (error) {
      this.#needs.failed('keyOf', error)
    }
    return peer
  }
}

const keyOf = ({ own, claimed, bound }: Identity): string => bound && claimed !== undefined ? claimed : own

import type { PeerKey } from '../../protocol/peer-key.js'
import type { Ban } from './ingress.js'

/** Whose word it is: a ban for score does not hold for protected peers, the operator's holds for all. */
export type BannedBy = 'score' | 'operator'

/** One ban, with all that it holds for. */
export interface BanRecord {
  /** Of the peer as the backend tells peers apart; more than one where an ENR names another. */
  readonly keys: readonly string[]
  /** Peers of these keys that were seen: the ban is mirrored to them, for when their key is not known again. */
  readonly peers: readonly PeerKey[]
  readonly reason: string
  readonly by: BannedBy
  readonly forMs: number
  /** Unix time in milliseconds. */
  readonly until: number
}

/** Peers to which one ban is mirrored at most: who changes its peer id for ever is still refused by its key. */
const MAX_MIRRORED = 64

/** The bans that stand, by key and by peer (SPEC §8). All times are Unix milliseconds. */
export class Bans {
  readonly #byKey = new Map<string, BanRecord>()
  readonly #byPeer = new Map<PeerKey, BanRecord>()
  readonly #records = new Set<BanRecord>()

  constructor(private readonly max: number) {}

  get size(): number { return this.#records.size }

  of(key: string, peer: PeerKey): BanRecord | undefined { return this.#byKey.get(key) ?? this.#byPeer.get(peer) }

  /**
   * Adds a ban; one that stood for the same keys or peers is part of it from now on. `displaced` had to give way to it, for want of
   * room. `undefined`: the operator's own bans take all the room.
   */
  add(added: BanRecord): { readonly ban: BanRecord; readonly displaced: BanRecord | undefined } | undefined {
    const former = new Set([...added.keys.map(key => this.#byKey.get(key)), ...added.peers.map(peer => this.#byPeer.get(peer))])
    former.delete(undefined)
    const displaced = former.size === 0 && this.#records.size >= this.max ? this.#firstToEnd() : undefined
    if (former.size === 0 && this.#records.size >= this.max && displaced === undefined) return undefined
    if (displaced !== undefined) this.remove(displaced)
    let ban = added
    for (const each of former) {
      if (each === undefined) continue
      this.remove(each)
      ban = { ...ban, keys: joined(ban.keys, each.keys), peers: joined(ban.peers, each.peers) }
    }
    this.#put(ban)
    return { ban, displaced }
  }

  /** Makes a ban hold for a further peer and key. */
  extend(ban: BanRecord, key: string, peer: PeerKey): void {
    this.remove(ban)
    this.#put({ ...ban, keys: joined(ban.keys, [key]), peers: joined(ban.peers, [peer]) })
  }

  remove(ban: BanRecord): void {
    this.#records.delete(ban)
    for (const key of ban.keys) if (this.#byKey.get(key) === ban) this.#byKey.delete(key)
    for (const peer of ban.peers) if (this.#byPeer.get(peer) === ban) this.#byPeer.delete(peer)
  }

  /** Takes out what is over, and shortens what a clock set back has made longer than it was meant to be. */
  expire(now: number): { readonly over: readonly BanRecord[]; readonly shortened: boolean } {
    const over: BanRecord[] = []
    let shortened = false
    for (const ban of [...this.#records]) {
      if (ban.until > now + ban.forMs) {
        this.remove(ban)
        this.#put({ ...ban, until: now + ban.forMs })
        shortened = true
      } else if (ban.until <= now) {
        this.remove(ban)
        over.push(ban)
      }
    }
    return { over, shortened }
  }

  all(): readonly BanRecord[] { return [...this.#records] }

  /** One for each peer that a ban is mirrored to. */
  describe(): Ban[] {
    return this.all().flatMap(({ peers, reason, until }) => peers.map(peer => ({ peer, reason, until })))
  }

  #put(ban: BanRecord): void {
    this.#records.add(ban)
    for (const key of ban.keys) this.#byKey.set(key, ban)
    for (const peer of ban.peers) this.#byPeer.set(peer, ban)
  }

  #firstToEnd(): BanRecord | undefined {
    let first: BanRecord | undefined
    for (const ban of this.#records) {
      if (ban.by === 'score' && (first === undefined || ban.until < first.until)) first = ban
    }
    return first
  }
}

const joined = (some: readonly string[], others: readonly string[]): string[] => [...new Set([...some, ...others])].slice(0, MAX_MIRRORED)

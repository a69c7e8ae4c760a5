import type { PeerKey } from '../../protocol/peer-key.js'
import type { Ban } from './ingress.js'

/** The origin of a ban. A ban for score does not apply to protected peers; a ban by the operator applies to all. */
export type BannedBy = 'score' | 'operator'

/** One ban, with all keys and peers that it covers. */
export interface BanRecord {
  /** Keys of the banned peer, as the backend gives them; several if an ENR adds another one. */
  readonly keys: readonly string[]
  /** Known peers with these keys. The ban is recorded for each, so that it applies even when a peer's key is no longer known. */
  readonly peers: readonly PeerKey[]
  readonly reason: string
  readonly by: BannedBy
  readonly forMs: number
  /** Unix time in milliseconds. */
  readonly until: number
}

/** Maximum number of peers recorded in one ban. A peer that keeps changing its peer id is still refused by its key. */
const MAX_MIRRORED = 64

/** Active bans, by key and by peer (SPEC §8). All times are Unix milliseconds. */
export class Bans {
  readonly #byKey = new Map<string, BanRecord>()
  readonly #byPeer = new Map<PeerKey, BanRecord>()
  readonly #records = new Set<BanRecord>()

  constructor(private readonly max: number) {}

  get size(): number { return this.#records.size }

  of(key: string, peer: PeerKey): BanRecord | undefined { return this.#byKey.get(key) ?? this.#byPeer.get(peer) }

  /**
   * Adds a ban, and merges the active bans of the same keys or peers into it. The ban that ends last sets the end, unless the operator makes
   * this one: then its own end applies. `displaced`: the ban that was evicted for it. Returns `undefined` if the table is full of the
   * operator's bans.
   */
  add(added: BanRecord): { readonly ban: BanRecord; readonly displaced: BanRecord | undefined } | undefined {
    const former = this.#of(added.keys, added.peers)
    let displaced: BanRecord | undefined
    if (former.length === 0 && this.#records.size >= this.max) {
      displaced = this.#firstToEnd()
      if (displaced === undefined) return undefined
      this.remove(displaced)
    }
    const lasting = added.by === 'operator' ? added : longest([added, ...former])
    return { ban: this.#replace(former, { ...joined([added, ...former]), ...termsOf(lasting) }), displaced }
  }

  /** Extends a ban of any of these keys and peers to all of them, until the latest end. Returns `undefined` if none is banned. */
  join(keys: readonly string[], peers: readonly PeerKey[]): { readonly ban: BanRecord; readonly freshPeers: readonly PeerKey[] } | undefined {
    const former = this.#of(keys, peers)
    if (former.length === 0) return undefined
    const ban = this.#replace(former, { ...joined([...former, { keys, peers }]), ...termsOf(longest(former)) })
    const known = new Set(former.flatMap(({ peers }) => peers))
    return { ban, freshPeers: ban.peers.filter(peer => !known.has(peer)) }
  }

  /** Removes peers from a ban; a ban without peers is removed. */
  release(ban: BanRecord, peers: readonly PeerKey[]): void {
    this.remove(ban)
    const left = ban.peers.filter(peer => !peers.includes(peer))
    if (left.length > 0) this.#put({ ...ban, peers: left })
  }

  remove(ban: BanRecord): void {
    this.#records.delete(ban)
    for (const key of ban.keys) if (this.#byKey.get(key) === ban) this.#byKey.delete(key)
    for (const peer of ban.peers) if (this.#byPeer.get(peer) === ban) this.#byPeer.delete(peer)
  }

  /** Removes expired bans. Shortens bans that would last longer than `forMs` because the clock was set back. */
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

  /** The active bans: one entry for each recorded peer. */
  describe(): Ban[] {
    return this.all().flatMap(({ peers, reason, until }) => peers.map(peer => ({ peer, reason, until })))
  }

  #of(keys: readonly string[], peers: readonly PeerKey[]): readonly BanRecord[] {
    const all = new Set([...keys.map(key => this.#byKey.get(key)), ...peers.map(peer => this.#byPeer.get(peer))])
    return [...all].filter(ban => ban !== undefined)
  }

  #replace(former: readonly BanRecord[], ban: BanRecord): BanRecord {
    for (const each of former) this.remove(each)
    this.#put(ban)
    return ban
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

/** The ban whose terms apply to a merged one: the operator's before those for score, then the one that ends last. */
function longest(bans: readonly BanRecord[]): BanRecord {
  return bans.reduce((one, other) => one.by === other.by ? (other.until > one.until ? other : one) : one.by === 'operator' ? one : other)
}

const termsOf = ({ reason, by, forMs, until }: BanRecord) => ({ reason, by, forMs, until })

function joined(bans: readonly Pick<BanRecord, 'keys' | 'peers'>[]): Pick<BanRecord, 'keys' | 'peers'> {
  const all = (lists: readonly (readonly string[])[]): string[] => [...new Set(lists.flat())].slice(0, MAX_MIRRORED)
  return { keys: all(bans.map(({ keys }) => keys)), peers: all(bans.map(({ peers }) => peers)) }
}

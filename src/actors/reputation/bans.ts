import type { PeerKey } from '../../protocol/peer-key.js'
import type { Ban } from './ingress.js'

/** Who made it: a ban for score does not hold for protected peers, the operator's holds for all. */
export type BannedBy = 'score' | 'operator'

/** One ban, with all keys and peers that it covers. */
export interface BanRecord {
  /** Keys of the peer by the backend; more than one where an ENR names another. */
  readonly keys: readonly string[]
  /** Peers of these keys that were seen. The ban is mirrored to them, in case their key is not known later. */
  readonly peers: readonly PeerKey[]
  readonly reason: string
  readonly by: BannedBy
  readonly forMs: number
  /** Unix time in milliseconds. */
  readonly until: number
}

/** Peers to which one ban is mirrored, at most. A peer that keeps changing its peer id is still refused by its key. */
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
   * Adds a ban, and merges active bans of the same keys or peers into it. A ban for score does not shorten them; the operator's latest one does.
   * `displaced` was removed to make room. `undefined`: the operator's own bans take all the room.
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

  /** These keys and peers belong together: a ban of any of them now covers all, until the latest end. `undefined` where there was none. */
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

  /** Removes expired bans, and shortens bans that a clock set back has lengthened. */
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

/** The operator's before those for score, and of these the one that ends last. */
function longest(bans: readonly BanRecord[]): BanRecord {
  return bans.reduce((one, other) => one.by === other.by ? (other.until > one.until ? other : one) : one.by === 'operator' ? one : other)
}

const termsOf = ({ reason, by, forMs, until }: BanRecord) => ({ reason, by, forMs, until })

function joined(bans: readonly Pick<BanRecord, 'keys' | 'peers'>[]): Pick<BanRecord, 'keys' | 'peers'> {
  const all = (lists: readonly (readonly string[])[]): string[] => [...new Set(lists.flat())].slice(0, MAX_MIRRORED)
  return { keys: all(bans.map(({ keys }) => keys)), peers: all(bans.map(({ peers }) => peers)) }
}

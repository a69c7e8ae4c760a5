import type { PeerKey } from '../../protocol/peer-key.js'
import { checkPeer } from './address-rules.js'
import { backendOf } from './backend.js'
import type { Finding, ReputationBackend } from './backend.js'
import { Bans } from './bans.js'
import type { BanRecord, BannedBy } from './bans.js'
import { LONGEST_BAN_MS } from './config.js'
import type { ReputationConfig } from './config.js'
import { ReputationError } from './errors.js'
import { Identities } from './identities.js'
import type { Ban, ConnectionQuestion, Outcome, PeerStanding, ReputationEvent, Rule, Standing } from './ingress.js'
import { Lists } from './lists.js'
import type { ListChanges } from './lists.js'
import { Scores } from './scores.js'
import type { SavedScore } from './scores.js'

/** A change that the application and network are told. */
export type Change = Extract<ReputationEvent, { type: 'banned' | 'banLifted' | 'greylisted' }>
/** The parts of the saved state; each is a value of its own in the store. */
export type Section = 'bans' | 'lists' | 'scores'
export const SECTIONS: readonly Section[] = ['bans', 'lists', 'scores']

/** The state to save, as plain data. */
export interface Kept {
  readonly bans: readonly BanRecord[]
  readonly lists: ListChanges
  /** `at`: Unix time in milliseconds. */
  readonly scores: { readonly at: number; readonly scores: readonly SavedScore[] }
}

/** A saved entry that could not be restored. */
export interface Lost {
  readonly what: Section
  readonly error: ReputationError
}

export interface BookNeeds {
  readonly publicKeyOf?: ((peer: PeerKey) => Uint8Array | undefined) | undefined
  /** Called when a function of the application throws or returns a value of the wrong type. */
  readonly failed: (where: string, error: unknown) => void
}

/** The reason of a ban for score. */
export const BANNED_FOR_SCORE = 'score'
/** Maximum of gossip scores kept from one sample; more than the connection limits of SPEC §8 allow peers. */
const MAX_SAMPLED = 4_096

/**
 * The state machine for scores, bans and lists (SPEC §8). The caller passes the time: `wall` is Unix time, `now` is monotonic, both in
 * milliseconds. Methods return what they changed, in order; `dirty` holds the sections to save.
 */
export class Book implements PeerStanding {
  readonly dirty = new Set<Section>()
  readonly #config: ReputationConfig
  readonly #failed: BookNeeds['failed']
  readonly #backend: ReputationBackend
  readonly #lists: Lists
  readonly #bans: Bans
  readonly #identities: Identities
  readonly #scores: Scores
  /** gossipsub's latest scores. `#fresh`: they came since the last tick. */
  #gossip: ReadonlyMap<PeerKey, number> = new Map()
  #fresh = false

  /** @throws ReputationError `bad_rule`, `bad_peer`, `too_many_rules` for the lists of the configuration */
  constructor(config: ReputationConfig, { publicKeyOf = () => undefined, failed }: BookNeeds) {
    const backend = backendOf(config.backend)
    this.#config = config
    this.#failed = failed
    this.#backend = backend
    this.#lists = new Lists(config)
    this.#bans = new Bans(config.maxBans)
    this.#identities = new Identities({ backend, publicKeyOf, maxKeys: config.maxKeys, failed })
    this.#scores = new Scores({ rules: config, judge: (key, ours) => this.#judge(key, ours) })
  }

  // ---- changes

  /** Scores one outcome of dealing with a peer. */
  report(peer: PeerKey, outcome: Outcome, now: number): Change[] {
    const key = this.#identities.keyOf(peer)
    this.#note(key, { type: 'outcome', outcome })
    this.dirty.add('scores')
    if (!this.#scores.report(key, peer, outcome, now)) return []
    return [{ type: 'greylisted', peer, reputation: this.#scores.reputation(key) }]
  }

  /** Takes gossipsub's scores of the connected peers. */
  gossipScores(scores: ReadonlyMap<PeerKey, number>): void {
    const all = this.#fresh ? new Map([...this.#gossip, ...scores]) : scores
    this.#gossip = new Map([...all].filter(([, score]) => Number.isFinite(score)).slice(0, MAX_SAMPLED))
    this.#fresh = true
  }

  /** Takes the public key from an ENR that names the peer. */
  learned(peer: PeerKey, publicKey: Uint8Array, wall: number): Change[] {
    const own = this.#identities.keyOf(peer)
    // Anybody can sign an ENR that names this peer: it must not affect a peer with a good reputation of its own, or a protected one.
    const learned = this.#identities.learn(peer, publicKey, () => this.#scores.earned(own) <= 0 && !this.#lists.isProtected(peer))
    if (learned === undefined) return []
    this.#scores.merge(learned.from, learned.to)
    this.dirty.add('scores')
    const joined = this.#bans.join([learned.from, learned.to], this.#identities.peersOf([learned.to]))
    if (joined === undefined) return []
    this.dirty.add('bans')
    const { ban, freshPeers } = joined
    const spared = freshPeers.filter(each => this.#isOverruled(ban, each))
    if (spared.length > 0) this.#bans.release(ban, spared)
    return freshPeers.filter(each => !spared.includes(each)).map(each => this.#told(ban, each, wall))
  }

  /** Ends expired bans, decays and samples the scores, and bans peers whose score was too low for too long. */
  tick(now: number, wall: number): Change[] {
    const { over: expired, shortened } = this.#bans.expire(wall)
    const changes = expired.flatMap(ban => this.#ended(ban, 'expired'))
    if (expired.length > 0 || shortened) this.dirty.add('bans')
    if (this.#scores.size > 0) this.dirty.add('scores')

    const gossip = this.#fresh ? this.#sampled() : new Map<string, { readonly peer: PeerKey; readonly score: number }>()
    this.#fresh = false
    const peers = new Map<string, PeerKey>([...this.#scores.entries()].map(({ key, peer }) => [key, peer]))
    for (const [key, { peer }] of gossip) peers.set(key, peer)
    const exempt = (key: string): boolean => {
      const peer = peers.get(key) ?? key
      return this.#lists.isProtected(peer) || this.#bans.of(key, peer) !== undefined
    }
    const { over, greylisted } = this.#scores.tick(gossip, exempt, now)
    for (const key of greylisted) changes.push({ type: 'greylisted', peer: peers.get(key) ?? key, reputation: this.#scores.reputation(key) })
    for (const key of over) {
      const peer = peers.get(key) ?? key
      changes.push(...this.#ban(key, peer, this.#config.banForMs, { reason: BANNED_FOR_SCORE, by: 'score' }, wall) ?? [])
    }
    return changes
  }

  /** A ban by the operator, which holds for protected peers too. @throws ReputationError `bad_peer`, `bad_duration`, `too_many_bans` */
  ban(peer: PeerKey, forMs: number | undefined, reason: string, wall: number): { readonly ban: Ban; readonly changes: Change[] } {
    checkPeer(peer)
    if (forMs !== undefined && !(forMs > 0 && forMs <= LONGEST_BAN_MS)) {
      throw new ReputationError('bad_duration', 'the duration of a ban must be above 0 ms and at most ten years', { value: forMs, limit: LONGEST_BAN_MS })
    }
    const lasts = forMs ?? this.#config.banForMs
    const changes = this.#ban(this.#identities.keyOf(peer), peer, lasts, { reason, by: 'operator' }, wall)
    if (changes === undefined) throw this.#tooManyBans(peer)
    return { ban: { peer, reason, until: wall + lasts }, changes }
  }

  /** Lifts a peer's ban. Returns no changes if there was none. */
  lift(peer: PeerKey): Change[] {
    const ban = this.#bans.of(this.#identities.keyOf(peer), peer)
    if (ban === undefined) return []
    this.#bans.remove(ban)
    this.dirty.add('bans')
    return this.#ended(ban, 'lifted')
  }

  /** Adds a rule to the block list. Returns whether it is new. @throws ReputationError `bad_rule`, `too_many_rules` */
  block(rule: Rule): boolean { return this.#listed(this.#lists.block(rule)) }
  /** Removes a rule from the block list. Returns whether it was there. @throws ReputationError `bad_rule` */
  unblock(rule: Rule): boolean { return this.#listed(this.#lists.unblock(rule)) }

  /** Protects a peer, and ends its ban for score. @throws ReputationError `bad_peer`, `too_many_rules` */
  protect(peer: PeerKey): Change[] {
    this.#listed(this.#lists.protect(peer))
    const ban = this.#bans.of(this.#identities.keyOf(peer), peer)
    return ban === undefined ? [] : this.#released(ban)
  }

  /** Ends the protection of a peer, so that a ban of its key applies to it again. Returns whether it was protected. @throws ReputationError `bad_peer`, `static_peer` */
  unprotect(peer: PeerKey): boolean {
    const was = this.#listed(this.#lists.unprotect(peer))
    if (was && this.#bans.join([this.#identities.keyOf(peer)], [peer]) !== undefined) this.dirty.add('bans')
    return was
  }

  // ---- queries

  appScore(peer: PeerKey): number { return this.#scores.reputation(this.#identities.keyOf(peer)) }

  mayAsk(peer: PeerKey): boolean { return this.appScore(peer) > this.#config.notAskedAt && this.#banned(peer) === undefined }

  greylisted(peer: PeerKey): boolean { return this.appScore(peer) <= this.#config.greylistAt }

  isProtected(peer: PeerKey): boolean { return this.#lists.isProtected(peer) }

  refuses(question: ConnectionQuestion): string | undefined {
    if (question.peer !== undefined && this.#banned(question.peer) !== undefined) return 'banned'
    return this.#lists.refuses(question)
  }

  /** The score that decides on a ban: the lower of reputation and gossipsub's score. */
  score(peer: PeerKey): number { return Math.min(this.appScore(peer), this.#gossip.get(peer) ?? this.#config.most) }

  bans(): readonly Ban[] { return this.#bans.describe() }
  lists() { return this.#lists.describe() }

  standing(peer: PeerKey): Standing {
    const ban = this.#bans.of(this.#identities.keyOf(peer), peer)
    const holds = ban !== undefined && !this.#isOverruled(ban, peer)
    return {
      peer,
      reputation: this.appScore(peer),
      gossipScore: this.#gossip.get(peer) ?? 0,
      protected: this.isProtected(peer),
      ban: holds ? { peer, reason: ban.reason, until: ban.until } : undefined,
    }
  }

  standings(): readonly Standing[] {
    const peers = new Set([...this.#scores.entries()].map(({ peer }) => peer))
    for (const { peer } of this.#bans.describe()) peers.add(peer)
    return [...peers].map(peer => this.standing(peer)).sort((a, b) => a.reputation - b.reputation)
  }

  /** Banned peers that are still connected: gossipsub has scored them since the last tick. */
  refusedButConnected(): readonly PeerKey[] {
    return this.#fresh ? [...this.#gossip.keys()].filter(peer => this.#banned(peer) !== undefined) : []
  }

  // ---- saved state

  kept(wall: number): Kept {
    return { bans: this.#bans.all(), lists: this.#lists.changes(), scores: { at: wall, scores: this.#scores.saved(this.#config.maxSavedScores) } }
  }

  /** Merges the saved state into the configuration. Returns as `lost` the entries that exceed a limit or contradict the configuration. */
  restore(kept: Kept, wall: number): { readonly changes: Change[]; readonly lost: readonly Lost[] } {
    const lost: Lost[] = this.#lists.restore(kept.lists).map(error => ({ what: 'lists', error }))
    for (const ban of kept.bans.toSorted((a, b) => Number(b.by === 'operator') - Number(a.by === 'operator'))) {
      const added = this.#bans.add(ban)
      if (added !== undefined && added.displaced === undefined) continue
      lost.push({ what: 'bans', error: this.#tooManyBans(ban.peers[0]) })
    }
    this.#scores.restore(kept.scores.scores, wall - kept.scores.at)
    const { over, shortened } = this.#bans.expire(wall)
    const released = this.#bans.all().flatMap(ban => this.#released(ban))
    if (over.length > 0 || shortened) this.dirty.add('bans')
    return { changes: [...over.flatMap(ban => this.#ended(ban, 'expired')), ...released], lost }
  }

  // ---- internals

  #ban(key: string, peer: PeerKey, forMs: number, why: { readonly reason: string; readonly by: BannedBy }, wall: number): Change[] | undefined {
    const until = wall + forMs
    const keys = new Set([key, ...this.#identities.keysOf(peer)])
    const peers = new Set([peer, ...this.#identities.peersOf(keys).filter(each => why.by === 'operator' || !this.isProtected(each))])
    const added = this.#bans.add({ keys: [...keys], peers: [...peers], ...why, forMs, until })
    if (added === undefined) return undefined
    this.dirty.add('bans')
    const { ban, displaced } = added
    for (const each of ban.keys) this.#note(each, { type: 'banned', until: ban.until, reason: ban.reason })
    return [
      ...displaced === undefined ? [] : this.#ended(displaced, 'expired'),
      ...ban.peers.map(each => this.#told(ban, each, wall)),
    ]
  }

  #told({ until, reason }: BanRecord, peer: PeerKey, wall: number): Change { return { type: 'banned', peer, forMs: until - wall, reason } }

  /** Removes protected peers from a ban for score; it may still hold for others of the same key. */
  #released(ban: BanRecord): Change[] {
    const free = ban.peers.filter(peer => this.#isOverruled(ban, peer))
    if (free.length === 0) return []
    this.#bans.release(ban, free)
    this.dirty.add('bans')
    return free.length === ban.peers.length ? this.#ended(ban, 'lifted') : free.map(peer => ({ type: 'banLifted', peer, why: 'lifted' }))
  }

  /** Resets the scores of the keys and peers of an ended ban to 0. */
  #ended(ban: BanRecord, why: 'expired' | 'lifted'): Change[] {
    for (const key of ban.keys) {
      this.#scores.forget(key)
      this.#note(key, { type: 'banLifted' })
    }
    const gossip = new Map(this.#gossip)
    for (const peer of ban.peers) gossip.delete(peer)
    this.#gossip = gossip
    this.dirty.add('scores')
    return ban.peers.map(peer => ({ type: 'banLifted', peer, why }))
  }

  /** The reason why the peer is banned, here or by the backend; `undefined` if it is not. */
  #banned(peer: PeerKey): string | undefined {
    const key = this.#identities.keyOf(peer)
    const ban = this.#bans.of(key, peer)
    if (ban !== undefined && !this.#isOverruled(ban, peer)) return ban.reason
    if (this.#backend.bannedElsewhere === undefined || this.isProtected(peer)) return undefined
    try {
      const reason: unknown = this.#backend.bannedElsewhere(key)
      return typeof reason === 'string' ? reason : undefined
    } catch (error) {
      this.#failed('bannedElsewhere', error)
      return undefined
    }
  }

  #isOverruled({ by }: BanRecord, peer: PeerKey): boolean { return by === 'score' && this.isProtected(peer) }

  #sampled(): Map<string, { readonly peer: PeerKey; readonly score: number }> {
    const sampled = new Map<string, { readonly peer: PeerKey; readonly score: number }>()
    for (const [peer, score] of this.#gossip) {
      const key = this.#identities.keyOf(peer)
      const other = sampled.get(key)
      if (other === undefined || score < other.score) sampled.set(key, { peer, score })
    }
    return sampled
  }

  #tooManyBans(value: PeerKey | undefined): ReputationError {
    const { maxBans: limit } = this.#config
    return new ReputationError('too_many_bans', `the maximum of ${limit} bans is reached`, { value, limit })
  }

  #listed(changed: boolean): boolean {
    if (changed) this.dirty.add('lists')
    return changed
  }

  #judge(key: string, ours: number): number {
    if (this.#backend.reputation === undefined) return ours
    try {
      const theirs: unknown = this.#backend.reputation(key, ours)
      if (typeof theirs === 'number' && !Number.isNaN(theirs)) return theirs
      this.#failed('reputation', new TypeError('the reputation returned is not a number'))
    } catch (error) {
      this.#failed('reputation', error)
    }
    return ours
  }

  #note(key: string, finding: Finding): void {
    try {
      this.#backend.note?.(key, finding)
    } catch (error) {
      this.#failed('note', error)
    }
  }
}

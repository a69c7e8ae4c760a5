import type { Context, Port } from '../kernel/index.js'
import type { Chain, ChainStatus } from '../chain/ingress.js'
import type { Outcomes } from '../chain/ports.js'
import type { NetworkHandle, PeerInfo, RequestKind, Response } from '../network/ingress.js'
import type { Store } from '../store/ingress.js'
import type { Validator } from '../validator/ingress.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { SyncConfig } from './config.js'
import { InFlight, OWN_ERRORS } from './in-flight.js'
import { PeerClaims } from './peer-claims.js'
import { UnknownParents } from './unknown-parent.js'
import { GossipHealth } from './gossip-health.js'
import { HIGHEST_HEAD } from './range/target.js'
import type { Behind, FaultReason, SyncEvent, SyncInternal, SyncMessage, SyncTimers, SyncResult, SyncStatus } from './ingress.js'
import { SyncPeers } from './peers.js'
import type { SyncPeerState } from './peers.js'
import { RangeSync } from './range/range-sync.js'
import type { SyncReason } from './range/range-sync.js'
import { TxListBackfill } from './txlist-backfill.js'
import { headRequest, readHead } from '../../protocol/index.js'
import type { Answer, Gravity, Tracked, SyncContext } from './context.js'

/** What sync needs of the other actors. */
export interface SyncNeeds {
  readonly network: NetworkHandle
  readonly validator: Validator
  readonly chain: Chain
  readonly store: Store
  /** Outcomes of what sync fetched. Chain reports those of gossip, and the driver those that it sees itself. */
  readonly outcomes: Outcomes
  readonly events: Port<SyncEvent>
  /** Whether reputation lets us ask a peer (SPEC §8: above −1). If left out, every peer may be asked. */
  readonly choosable?: (peer: PeerKey) => boolean
}

/** The store is scanned for missing txlists at start and every so many rounds. Chain reports each new one anyway. */
const RESCAN_ROUNDS = 20
/** A head request that took longer says nothing about whether gossip reaches us, ms. */
const FRESH_HEAD_MS = 2_000

/** Owns the parts of sync, what they share, and the callers that wait for the running range sync. */
export class SyncCore implements SyncContext {
  readonly book: SyncPeers
  readonly #desk: InFlight
  readonly #claims: PeerClaims
  readonly #gaps: UnknownParents
  readonly #backfill: TxListBackfill
  readonly #unheard = new GossipHealth()
  readonly #counters: { [name: string]: number } = {}
  readonly #waiting = new Map<number, (result: SyncResult) => void>()
  #askers = 0
  #run: RangeSync | undefined
  /** Head requests in flight that a range sync waits for, and since when. */
  #heads = 0
  #headsSince = -Infinity
  #wakeAt = Infinity
  #rounds = 0
  #behind: Behind | undefined
  #failedRuns = 0

  constructor(private readonly ctx: Context<SyncMessage, SyncInternal, SyncTimers>, private readonly needs: SyncNeeds, readonly config: SyncConfig) {
    this.book = new SyncPeers(config, needs.choosable)
    this.#desk = new InFlight(ctx, config, needs, what => { this.count(what) })
    this.#claims = new PeerClaims(this)
    this.#backfill = new TxListBackfill(this, (from, max) => { this.#scan(from, max) }, () => this.#run?.isFarBehind === true)
    this.#gaps = new UnknownParents(this, {
      running: () => this.#run !== undefined,
      covers: height => this.#run !== undefined && this.#run.covers(height),
      want: height => { this.#start('gap').want(height) },
    })
  }

  // ---- SyncContext

  now(): number { return this.ctx.clock.monotonic() }

  request(peer: SyncPeerState, kind: RequestKind, body: Uint8Array, done: (answer: Answer) => void): void {
    this.#desk.request(peer, kind, body, done)
  }

  handPage(bytes: Uint8Array, peer: PeerKey, tracked: Tracked): number { return this.#desk.handPage(bytes, peer, tracked) }
  handTxList(bytes: Uint8Array, peer: PeerKey, height: bigint, tracked: Tracked): number {
    return this.#desk.handTxList(bytes, peer, height, tracked)
  }

  rootAt(first: bigint): void { if (this.needs.chain.rootAt(first) !== 'ok') this.count('rootRefused') }

  parentUnavailable(hash: Uint8Array, peers: number): void {
    if (this.needs.chain.parentUnavailable(hash, peers) !== 'ok') this.count('parentUnavailableRefused')
  }

  forget(ticket: number): void { this.#desk.forget(ticket) }
  standing(then: (standing: ChainStatus | undefined) => void): void { this.#desk.standing(then) }

  fault(peer: PeerKey, reason: FaultReason, detail: string, gravity: Gravity): void {
    const state = this.book.get(peer)
    let penalty = gravity === 'proved'
    if (gravity === 'found_out' && state !== undefined && this.now() - state.lastSoftPenalty >= this.config.softPenaltyEvery) {
      state.lastSoftPenalty = this.now()
      penalty = true
    }
    if (gravity !== 'noted') this.#unheard.dismiss(peer)
    this.count(`fault_${reason}`)
    if (penalty && this.needs.outcomes.send({ type: 'report', peer, outcome: 'failure' }) !== 'ok') this.count('outcomesRefused')
    this.emit({ type: 'peerFault', peer, reason, detail, penalty })
  }

  credit(peer: PeerKey): void {
    if (this.needs.outcomes.send({ type: 'report', peer, outcome: 'accepted' }) !== 'ok') this.count('outcomesRefused')
  }

  emit(event: SyncEvent): void {
    if (this.needs.events.send(event) !== 'ok') this.count('eventsRefused')
  }

  wake(ms: number): void {
    if (ms === Infinity) return
    const at = this.now() + Math.max(1, ms)
    if (at >= this.#wakeAt && this.#wakeAt > this.now()) return
    this.#wakeAt = at
    this.ctx.after('pump', Math.max(1, ms))
  }

  count(counter: string): void { this.#counters[counter] = (this.#counters[counter] ?? 0) + 1 }

  get desk(): InFlight { return this.#desk }
  get gaps(): UnknownParents { return this.#gaps }
  get backfill(): TxListBackfill { return this.#backfill }

  // ---- events

  answered(exchange: number, response: Response): void {
    const done = this.#desk.answered(exchange, response)
    if (done !== undefined && done.ms > this.config.slowAfter) this.fault(done.state.peer, 'slow', `${Math.round(done.ms)} ms`, 'found_out')
  }

  unanswered(exchange: number, error: unknown): void {
    const failed = this.#desk.unanswered(exchange, error)
    if (failed === undefined || OWN_ERRORS.has(failed.code) || !failed.state.connected) return
    const { state: { peer }, code, ms } = failed
    // the driver has reported broken frames itself
    const silent = code === 'timeout' && ms >= this.config.slowAfter
    this.fault(peer, 'no_answer', code, silent ? 'proved' : code === 'remote_closed' || code === 'unsupported' ? 'found_out' : 'noted')
  }

  /** The timer of `wake` fired. The platform's timers may fire slightly early by the clock. */
  woken(): void {
    this.#wakeAt = Infinity
    this.pump()
  }

  /** Called after every message: each part does what it can do now. */
  pump(): void {
    this.#run?.pump()
    this.#gaps.pump()
    this.#backfill.pump()
  }

  /** Every 30 s (SPEC §9), and at start. */
  round(reason: 'start' | 'round'): void {
    this.ctx.pipe(this.needs.network.peers(this.config.roomsWithin), {
      ok: peers => ({ type: 'peersSeen', peers }),
      failed: () => ({ type: 'peersSeen', peers: undefined }),
    })
    this.#desk.sweep()
    if (this.#rounds++ % RESCAN_ROUNDS === 0) this.#backfill.rescan()
    if (this.#unheard.round()) {
      const { peers, behind } = this.#unheard
      this.emit({ type: 'unheard', peers, behind })
    }
    if (this.#run === undefined) this.#start(reason)
    else this.#askHeads()
  }

  /** Reconciles with the driver's list of peers, in case events were missed. */
  peersSeen(peers: readonly PeerInfo[] | undefined): void {
    if (peers === undefined) return
    const there = new Set<PeerKey>()
    for (const { peer, agent, connections, refused, protocols } of peers) {
      if (connections === 0 || refused) continue
      there.add(peer)
      if (protocols.some(protocol => protocol.endsWith('/get_commitments_by_number'))) this.peerReady(peer, agent)
    }
    for (const { peer } of [...this.book.all()]) if (!there.has(peer)) this.peerGone(peer)
  }

  peerReady(peer: PeerKey, agent: string): void {
    if (!this.book.ready(peer, agent)) return
    this.#backfill.newPeer()
    const state = this.book.get(peer) as SyncPeerState
    if (this.#run === undefined) this.#start('peer', state)
    else this.#askHead(state)
  }

  peerGone(peer: PeerKey): void {
    const state = this.book.get(peer)
    this.book.gone(peer)
    if (state === undefined) return
    this.#claims.drop(state)
    this.#run?.gone(state)
  }

  /** Joins the running range sync or starts one. */
  sync(asker: AbortSignal | undefined): Promise<SyncResult> {
    const id = ++this.#askers
    const result = new Promise<SyncResult>(resolve => { this.#waiting.set(id, resolve) })
    if (asker !== undefined) {
      const gaveUp = (): SyncInternal => ({ type: 'gaveUp', asker: id })
      this.ctx.pipe(new Promise(resolve => { asker.addEventListener('abort', resolve, { once: true }) }), { ok: gaveUp, failed: gaveUp })
    }
    if (this.#run === undefined) this.#start('asked')
    else this.#askHeads()
    return result
  }

  gaveUp(asker: number): void {
    if (this.#waiting.delete(asker) && this.#waiting.size === 0 && this.#run?.reason === 'asked') this.#run.cancel()
  }

  cancel(): void { this.#run?.cancel() }

  progress(): void { this.#run?.progress() }

  // ---- runs

  #start(reason: SyncReason, only?: SyncPeerState): RangeSync {
    if (this.#run !== undefined) return this.#run
    for (const state of this.book.all()) state.renew()
    this.#claims.renew()
    this.#run = new RangeSync(this, this.#claims, reason, () => this.#headsLeft(), (result, run) => { this.#ended(result, run) })
    if (only === undefined) this.#askHeads()
    else this.#askHead(only)
    return this.#run
  }

  #ended(result: SyncResult, run: RangeSync): void {
    if (this.#run !== run) return
    this.#run = undefined
    if (result.outcome !== 'cancelled') {
      this.#behind = run.behind
      this.#failedRuns = result.outcome === 'incomplete' ? this.#failedRuns + 1 : 0
    }
    // not caught up: we are behind for another reason than gossip
    if (result.outcome !== 'caught_up') this.#unheard.reset()
    else if (run.reason === 'round' && result.blocks >= Number(this.config.unheardBlocks)) {
      for (const peer of run.delivered) if (this.book.get(peer)?.blind === true) this.#unheard.ahead(peer, BigInt(result.blocks))
    }
    for (const resolve of this.#waiting.values()) resolve(result)
    this.#waiting.clear()
  }

  // ---- heads

  #headsLeft(): number { return this.#heads === 0 ? 0 : Math.max(0, this.#headsSince + this.config.headsWithin - this.now()) }

  #askHeads(): void {
    const all = [...this.book.askable()].sort((a, b) => a.lastAsked - b.lastAsked).slice(0, this.config.headsPerRound)
    for (const state of all) this.#askHead(state)
  }

  #askHead(state: SyncPeerState): void {
    if (!this.book.mayAsk(state) || state.readiness('head', this.now()) !== 'now') return
    this.#headsSince = this.now()
    this.#heads++
    const round = this.#run?.reason === 'round'
    this.#desk.request(state, 'head', headRequest(), answer => {
      this.#heads--
      if (answer.ok) this.#headIs(state, answer.body, answer.ms, round)
    })
  }

  #headIs(state: SyncPeerState, body: Uint8Array, ms: number, round: boolean): void {
    const head = readHead(body)
    if (head === undefined) { this.fault(state.peer, 'undecodable', 'no head', 'proved'); return }
    if (head.blockNumber > HIGHEST_HEAD) {
      state.discounted = true
      this.fault(state.peer, 'inflated_head', `${head.blockNumber}`, 'found_out')
      return
    }
    const before = state.head?.blockNumber
    state.blind = head.blockNumber === 0n
    state.head = state.blind ? undefined : head
    if (before === undefined || head.blockNumber > before) state.hasMore()
    if (round && ms <= FRESH_HEAD_MS && this.#run?.reason === 'round') this.#compare(state, head.blockNumber)
  }

  /** A peer that is well ahead when a round begins knows blocks that gossip did not bring us (H42). */
  #compare(state: SyncPeerState, head: bigint): void {
    const ours = this.#run?.from ?? 0n
    if (ours > 0n && head >= ours + this.config.unheardBlocks - 1n) this.#unheard.ahead(state.peer, head - ours + 1n)
  }

  #scan(from: bigint, max: number): void {
    this.ctx.pipe(this.needs.store.missingTxLists(from, max, this.config.roomsWithin), {
      ok: page => ({ type: 'txListsMissing', page }),
      failed: () => ({ type: 'txListsMissing', page: undefined }),
    })
  }

  // ---- status

  describe(): SyncStatus {
    const run = this.#run
    return {
      running: run === undefined ? undefined : { from: run.from, at: run.at, to: run.to },
      peers: [...this.book.all()].map(state => ({
        peer: state.peer, head: state.head, discounted: state.discounted,
        inFlight: state.inFlight, latencyMs: state.latencyMs, delivered: state.delivered,
      })),
      unheard: this.#unheard.peers,
      behind: this.#behind,
      failedRuns: this.#failedRuns,
      gaps: this.#gaps.size,
      missingTxLists: this.#backfill.size,
      counters: { ...this.#counters },
    }
  }
}

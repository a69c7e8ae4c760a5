import type { Judgement } from '../chain/ports.js'
import type { MissingTxLists } from '../store/ingress.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import { readTxListAnswer, toHex, txListRequest } from '../../protocol/index.js'
import type { SyncPeerState } from './peers.js'
import type { Answer, SyncContext } from './context.js'

/** Minimum pause between two scans of the list while nothing happens, ms. */
const PAUSE_MS = 50

/** While commitments go first: minimum pause between two txlist requests, ms. An exchange costs as much as dozens of commitments. */
const SPARING_MS = 50

/** A missing txlist that a canonical commitment names. */
interface Want {
  readonly id: string
  readonly hash: Uint8Array
  readonly height: bigint
  readonly from: PeerKey | undefined
  /** The signer of the block that names it, in hex. */
  readonly signer: string
  /** Peers that do not have it or did not answer. */
  readonly tried: Set<PeerKey>
  readonly asking: Set<PeerKey>
  askedAt: number
  /** Not to be requested before this, monotonic ms. */
  notBefore: number
  judging: boolean
}

/**
 * Fetches missing txlists by hash (SPEC §9), a few at a time, in the order in which they were found missing, mostly chain order. "Not
 * found" (the echoed hash with an empty list) is no fault: another peer is asked, and after all of them every peer again, later. What does
 * not fit in the list stays in the store and is scanned when there is room. Signers take turns and share the list: if it is full, the
 * signer with the most entries gives up one, and an entry that no peer can supply is dropped (H51).
 */
export class TxListBackfill {
  readonly #wants = new Map<string, Want>()
  /** By signer: the number of entries, and an upper bound of their heights. */
  readonly #shares = new Map<string, { readonly count: number; readonly top: bigint }>()
  #underWay = 0
  #askedAt = -Infinity
  /** Nothing is due before this, unless an event resets it; monotonic ms. */
  #idleUntil = 0
  /** The height from which the store is still to be scanned; `undefined` if it was scanned to the end. */
  #cursor: bigint | undefined = 0n
  #scanning = false

  /**
   * @param scan asks the store for at most `max` missing txlists from a height up; the answer comes back through `found`
   * @param catchingUp whether many commitments are still missing: they go first
   */
  constructor(
    private readonly context: SyncContext, private readonly scan: (from: bigint, max: number) => void, private readonly catchingUp: () => boolean,
  ) {}

  get size(): number { return this.#wants.size }

  /** Chain has just found one missing: it may still arrive by gossip. */
  missing(hash: Uint8Array, height: bigint, from: PeerKey | undefined, signer?: Uint8Array): void {
    this.#want(hash, height, from, signer, this.context.now() + this.context.config.gapAfter)
  }

  have(hash: Uint8Array): void {
    const want = this.#wants.get(toHex(hash))
    if (want === undefined) return
    this.#drop(want)
    this.#idleUntil = 0
  }

  /** The store's answer: a page of missing txlists, or `undefined` if it failed. */
  found(page: MissingTxLists | undefined): void {
    this.#scanning = false
    this.#idleUntil = 0
    if (page === undefined) return
    this.#cursor = page.next
    for (const { hash, blockNumber, signer } of page.missing) if (!this.#want(hash, blockNumber, undefined, signer)) return
  }

  /** Scans the whole store again, to find what was dropped. */
  rescan(): void { this.#cursor = 0n }

  /** A new peer may have what no other had. */
  newPeer(): void {
    const now = this.context.now()
    this.#idleUntil = 0
    for (const want of this.#wants.values()) if (want.asking.size === 0 && !want.judging) want.notBefore = Math.min(want.notBefore, now)
  }

  /** Sends the requests that are due. Free while nothing can have changed, since it runs after every adopted block. */
  pump(): void {
    this.#fill()
    const now = this.context.now()
    if (now < this.#idleUntil) {
      this.context.wake(this.#idleUntil - now)
      return
    }
    let until = Infinity
    let busy = 0
    const catchingUp = this.catchingUp()
    if (catchingUp && now < this.#askedAt + SPARING_MS) {
      this.context.wake(this.#askedAt + SPARING_MS - now)
      return
    }
    const txListsInFlight = catchingUp ? 1 : this.context.config.txListsInFlight
    for (const want of this.#inTurn()) {
      // late requests no longer count against the limit, up to as many again
      if (busy >= txListsInFlight || this.#underWay >= 2 * txListsInFlight) break
      const next = this.#step(want, now)
      if (typeof next === 'number') until = Math.min(until, next)
      else if (next === 'busy') busy++
      else { until = Math.min(until, next.until); break }
      if (want.asking.size === 1) until = Math.min(until, want.askedAt + this.context.config.lateAfter)
    }
    this.#idleUntil = Math.max(until, now + PAUSE_MS)
    this.context.wake(this.#idleUntil - now)
  }

  /** `busy` if it occupies a place; else when to try it again, or (`until`) it and all behind it, since no peer can be asked now. */
  #step(want: Want, now: number): number | 'busy' | { readonly until: number } {
    if (want.judging) return 'busy'
    if (want.notBefore > now) return want.notBefore
    const late = want.asking.size > 0
    if (want.asking.size > 1) return Infinity
    if (late && now - want.askedAt < this.context.config.lateAfter) return 'busy'
    const fits = (state: SyncPeerState): boolean => !want.tried.has(state.peer) && !want.asking.has(state.peer)
    const chosen = this.#prefer(want, fits) ?? this.context.book.choose('txList', now, fits)
    if (chosen === undefined) {
      if (late) return Infinity
      if (this.#cursor !== undefined) {
        // no peer is left, and others wait for its place: the store still lists it
        this.#drop(want)
        this.context.count('txListsGivenUp')
        return Infinity
      }
      // no peer is left: all of them again, later
      want.tried.clear()
      return want.notBefore = now + this.context.config.txListRetryAfter
    }
    if ('readyAt' in chosen) {
      const until = chosen.readyAt ?? Infinity
      // the entries behind it wait for the same peers, unless this one has already tried some of them
      return want.tried.size === 0 ? { until } : until
    }
    this.#ask(want, chosen)
    return 'busy'
  }

  #prefer(want: Want, fits: (state: SyncPeerState) => boolean): SyncPeerState | undefined {
    if (want.from === undefined) return undefined
    const chosen = this.context.book.choose('txList', this.context.now(), state => state.peer === want.from && fits(state))
    return chosen === undefined || 'readyAt' in chosen ? undefined : chosen
  }

  /** False if there is no room: it is scanned again later. */
  #want(hash: Uint8Array, height: bigint, from: PeerKey | undefined, signedBy: Uint8Array | undefined, notBefore = 0): boolean {
    const id = toHex(hash)
    const signer = signedBy === undefined ? '' : toHex(signedBy)
    if (this.#wants.has(id)) return true
    if (this.#wants.size >= this.context.config.txLists && !this.#makeRoom(signer, height)) {
      this.#later(height)
      return false
    }
    this.#idleUntil = Math.min(this.#idleUntil, notBefore)
    if (notBefore > 0) this.context.wake(this.context.config.gapAfter)
    this.#wants.set(id, { id, hash, height, from, signer, tried: new Set(), asking: new Set(), askedAt: 0, notBefore, judging: false })
    const share = this.#shares.get(signer)
    this.#shares.set(signer, { count: (share?.count ?? 0) + 1, top: share === undefined || height > share.top ? height : share.top })
    return true
  }

  #drop(want: Want): void {
    this.#wants.delete(want.id)
    const share = this.#shares.get(want.signer)
    if (share === undefined) return
    if (share.count <= 1) this.#shares.delete(want.signer)
    else this.#shares.set(want.signer, { ...share, count: share.count - 1 })
  }

  /** The first entry of each signer, then the second of each, and so on. */
  * #inTurn(): Iterable<Want> {
    if (this.#shares.size < 2) { yield * this.#wants.values(); return }
    const lists = new Map<string, Want[]>([...this.#shares.keys()].map(signer => [signer, []]))
    for (const want of this.#wants.values()) lists.get(want.signer)?.push(want)
    for (let at = 0, left = this.#wants.size; left > 0; at++) for (const list of lists.values()) {
      if (list[at] === undefined) continue
      left--
      yield list[at] as Want
    }
  }

  /** Drops the highest entry of the signer with the most, unless that is the same signer and its new block is no lower. */
  #makeRoom(signer: string, height: bigint): boolean {
    let most = signer
    for (const [each, { count }] of this.#shares) if (count > (this.#shares.get(most)?.count ?? 0) + 1) most = each
    if (most === signer && height >= (this.#shares.get(signer)?.top ?? 0n)) return false
    let highest: Want | undefined
    for (const want of this.#wants.values()) {
      if (want.signer === most && want.asking.size === 0 && !want.judging && (highest === undefined || want.height > highest.height)) highest = want
    }
    if (highest === undefined || (most === signer && highest.height <= height)) return false
    this.#drop(highest)
    this.#later(highest.height)
    return true
  }

  /** No room: the store is scanned from this height again later. */
  #later(height: bigint): void {
    this.context.count('txListsDeferred')
    if (this.#cursor === undefined || height < this.#cursor) this.#cursor = height
  }

  #fill(): void {
    const room = this.context.config.txLists - this.#wants.size
    if (this.#cursor === undefined || this.#scanning || room < this.context.config.txLists / 2) return
    this.#scanning = true
    this.scan(this.#cursor, Math.floor(room / 2))
  }

  #ask(want: Want, state: SyncPeerState): void {
    this.#askedAt = this.context.now()
    if (want.asking.size === 0) want.askedAt = this.#askedAt
    want.asking.add(state.peer)
    this.#underWay++
    this.context.request(state, 'txList', txListRequest(want.hash), answer => {
      this.#underWay--
      this.#idleUntil = 0
      want.asking.delete(state.peer)
      if (this.#wants.get(want.id) === want && !want.judging) this.#answered(want, state.peer, answer)
    })
  }

  #answered(want: Want, peer: PeerKey, answer: Answer): void {
    want.tried.add(peer)
    if (!answer.ok) return
    const kind = readTxListAnswer(answer.body, want.id)
    if (kind === 'not_found') return
    if (kind !== 'found') {
      this.context.fault(peer, kind, kind === 'wrong_hash' ? `another txlist than ${want.id}` : 'no txlist response', 'proved')
      return
    }
    want.judging = true
    this.context.handTxList(answer.body, peer, want.height, {
      judged: results => { this.#judged(want, peer, results) },
      lost: () => { this.#again(want) },
    })
  }

  #judged(want: Want, peer: PeerKey, [result]: readonly Judgement[]): void {
    this.#idleUntil = 0
    if (this.#wants.get(want.id) !== want) return
    if (result?.verdict === 'accept' || result?.reason === 'duplicate') {
      this.#drop(want)
      this.context.credit(peer)
      return
    }
    if (result?.penalty === true) this.context.fault(peer, 'invalid', result.reason, 'proved')
    want.judging = false
    // the bytes were right but could not be stored now: from any peer, later
    if (result?.penalty !== true) this.#again(want)
  }

  #again(want: Want): void {
    this.#idleUntil = 0
    want.judging = false
    want.tried.clear()
    want.notBefore = this.context.now() + this.context.config.txListRetryAfter
  }
}

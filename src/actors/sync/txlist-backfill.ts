import type { Judgement } from '../chain/ports.js'
import type { MissingTxLists } from '../store/ingress.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import { toHex } from '../../protocol/index.js'
import type { SyncPeerState } from './peers.js'
import { readTxListAnswer, txListRequest } from './wire.js'
import type { Answer, World } from './world.js'

/** The list is not looked through more often than this while nothing happens, ms. */
const PAUSE_MS = 50

/** While commitments go first, one is asked for no more often than this, ms: an exchange costs as much as dozens of commitments. */
const SPARING_MS = 50

/** A txlist that a canonical commitment names and that is not there. */
interface Want {
  readonly id: string
  readonly hash: Uint8Array
  readonly height: bigint
  readonly from: PeerKey | undefined
  /** Who signed the block that names it. */
  readonly signer: string
  /** Who said that it does not have it, or could not be made to say. */
  readonly tried: Set<PeerKey>
  readonly asking: Set<PeerKey>
  askedAt: number
  /** Not before this. */
  notBefore: number
  judging: boolean
}

/**
 * Fetches missing txlists by hash (SPEC §9), a few at a time, in the order in which they were found missing, which is mostly that of the
 * chain. "Not found" (the echoed hash with an empty list) is no fault: another peer is asked; when all have said so, all again after a
 * while. What does not fit in the list stays in the store's own and is asked for when there is room. Signers take turns, and share the list:
 * where it is full, who has the most in it gives up a place, and what nobody has gives up its own (H51).
 */
export class TxListBackfill {
  readonly #wants = new Map<string, Want>()
  /** By signer: how many wants, and a height that none of them is above. */
  readonly #shares = new Map<string, { readonly count: number; readonly top: bigint }>()
  #underWay = 0
  #askedAt = -Infinity
  /** Nothing can be done before this, unless something happens. */
  #idleUntil = 0
  /** From where on the store has not been asked; `undefined`: it was, to the end. */
  #cursor: bigint | undefined = 0n
  #scanning = false

  /**
   * @param scan asks the store what is missing from a height on, at most so many; the answer comes back through `found`
   * @param catchingUp whether many commitments are still to come: they go first
   */
  constructor(
    private readonly world: World, private readonly scan: (from: bigint, max: number) => void, private readonly catchingUp: () => boolean,
  ) {}

  get size(): number { return this.#wants.size }

  /** Chain found one missing, just now: it may come by gossip within moments. */
  missing(hash: Uint8Array, height: bigint, from: PeerKey | undefined, signer?: Uint8Array): void {
    this.#want(hash, height, from, signer, this.world.now() + this.world.config.gapAfter)
  }

  have(hash: Uint8Array): void {
    const want = this.#wants.get(toHex(hash))
    if (want === undefined) return
    this.#drop(want)
    this.#idleUntil = 0
  }

  /** The store's answer: a page of what it lacks, or nothing where it could not say. */
  found(page: MissingTxLists | undefined): void {
    this.#scanning = false
    this.#idleUntil = 0
    if (page === undefined) return
    this.#cursor = page.next
    for (const { hash, blockNumber, signer } of page.missing) if (!this.#want(hash, blockNumber, undefined, signer)) return
  }

  /** Looks the whole store through again: what was dropped or forgotten is found. */
  rescan(): void { this.#cursor = 0n }

  /** Somebody new may have what nobody had. */
  newPeer(): void {
    const now = this.world.now()
    this.#idleUntil = 0
    for (const want of this.#wants.values()) if (want.asking.size === 0 && !want.judging) want.notBefore = Math.min(want.notBefore, now)
  }

  /** Asks for what can be asked for now. Costs nothing while that cannot have changed: chain tells of every block that it adopts. */
  pump(): void {
    this.#fill()
    const now = this.world.now()
    if (now < this.#idleUntil) {
      this.world.wake(this.#idleUntil - now)
      return
    }
    let until = Infinity
    let busy = 0
    const catchingUp = this.catchingUp()
    if (catchingUp && now < this.#askedAt + SPARING_MS) {
      this.world.wake(this.#askedAt + SPARING_MS - now)
      return
    }
    const txListsInFlight = catchingUp ? 1 : this.world.config.txListsInFlight
    for (const want of this.#inTurn()) {
      // those that are late give up their place, up to as many again
      if (busy >= txListsInFlight || this.#underWay >= 2 * txListsInFlight) break
      const next = this.#step(want, now)
      if (typeof next === 'number') until = Math.min(until, next)
      else if (next === 'busy') busy++
      else { until = Math.min(until, next.until); break }
      if (want.asking.size === 1) until = Math.min(until, want.askedAt + this.world.config.lateAfter)
    }
    this.#idleUntil = Math.max(until, now + PAUSE_MS)
    this.world.wake(this.#idleUntil - now)
  }

  /** `busy`: it has its place; else when to look at it again, or (`until`) at it and all behind it, since nobody can be asked now. */
  #step(want: Want, now: number): number | 'busy' | { readonly until: number } {
    if (want.judging) return 'busy'
    if (want.notBefore > now) return want.notBefore
    const late = want.asking.size > 0
    if (want.asking.size > 1) return Infinity
    if (late && now - want.askedAt < this.world.config.lateAfter) return 'busy'
    const fits = (state: SyncPeerState): boolean => !want.tried.has(state.peer) && !want.asking.has(state.peer)
    const chosen = this.#prefer(want, fits) ?? this.world.book.choose('txList', now, fits)
    if (chosen === undefined) {
      if (late) return Infinity
      if (this.#cursor !== undefined) {
        // nobody is left, and others wait for its place: the store has it still
        this.#drop(want)
        this.world.count('txListsGivenUp')
        return Infinity
      }
      // nobody is left: all of them again, later
      want.tried.clear()
      return want.notBefore = now + this.world.config.txListRetryAfter
    }
    if ('readyAt' in chosen) {
      const until = chosen.readyAt ?? Infinity
      // those behind it wait for the same peers; only where it has tried some could another one go first
      return want.tried.size === 0 ? { until } : until
    }
    this.#ask(want, chosen)
    return 'busy'
  }

  #prefer(want: Want, fits: (state: SyncPeerState) => boolean): SyncPeerState | undefined {
    if (want.from === undefined) return undefined
    const chosen = this.world.book.choose('txList', this.world.now(), state => state.peer === want.from && fits(state))
    return chosen === undefined || 'readyAt' in chosen ? undefined : chosen
  }

  /** Gives false where there is no room: the store is asked for it when there is. */
  #want(hash: Uint8Array, height: bigint, from: PeerKey | undefined, signedBy: Uint8Array | undefined, notBefore = 0): boolean {
    const id = toHex(hash)
    const signer = signedBy === undefined ? '' : toHex(signedBy)
    if (this.#wants.has(id)) return true
    if (this.#wants.size >= this.world.config.txLists && !this.#makeRoom(signer, height)) {
      this.#later(height)
      return false
    }
    this.#idleUntil = Math.min(this.#idleUntil, notBefore)
    if (notBefore > 0) this.world.wake(this.world.config.gapAfter)
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

  /** One of each signer, then the next of each, in the order in which they were found missing. */
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

  /** Takes the highest place of the signer that has the most, unless that would be the one who asks and its block is as high. */
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

  /** There is no room: the store is asked from this height on when there is. */
  #later(height: bigint): void {
    this.world.count('txListsDeferred')
    if (this.#cursor === undefined || height < this.#cursor) this.#cursor = height
  }

  #fill(): void {
    const room = this.world.config.txLists - this.#wants.size
    if (this.#cursor === undefined || this.#scanning || room < this.world.config.txLists / 2) return
    this.#scanning = true
    this.scan(this.#cursor, Math.floor(room / 2))
  }

  #ask(want: Want, state: SyncPeerState): void {
    this.#askedAt = this.world.now()
    if (want.asking.size === 0) want.askedAt = this.#askedAt
    want.asking.add(state.peer)
    this.#underWay++
    this.world.request(state, 'txList', txListRequest(want.hash), answer => {
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
      this.world.fault(peer, kind, kind === 'wrong_hash' ? `another txlist than ${want.id}` : 'no txlist response', 'proved')
      return
    }
    want.judging = true
    this.world.handTxList(answer.body, peer, want.height, {
      judged: results => { this.#judged(want, peer, results) },
      lost: () => { this.#again(want) },
    })
  }

  #judged(want: Want, peer: PeerKey, [result]: readonly Judgement[]): void {
    this.#idleUntil = 0
    if (this.#wants.get(want.id) !== want) return
    if (result?.verdict === 'accept' || result?.reason === 'duplicate') {
      this.#drop(want)
      this.world.credit(peer)
      return
    }
    if (result?.penalty === true) this.world.fault(peer, 'invalid', result.reason, 'proved')
    want.judging = false
    // it fits, and could not be taken now: from anybody, later
    if (result?.penalty !== true) this.#again(want)
  }

  #again(want: Want): void {
    this.#idleUntil = 0
    want.judging = false
    want.tried.clear()
    want.notBefore = this.world.now() + this.world.config.txListRetryAfter
  }
}

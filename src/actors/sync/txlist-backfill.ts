import type { Judgement } from '../chain/ports.js'
import type { MissingTxLists } from '../store/ingress.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import { toHex } from '../../protocol/index.js'
import type { SyncPeerState } from './peers.js'
import { readTxListAnswer, txListRequest } from './wire.js'
import type { Answer, World } from './world.js'

/** A txlist that a canonical commitment names and that is not there. */
interface Want {
  readonly id: string
  readonly hash: Uint8Array
  readonly height: bigint
  readonly from: PeerKey | undefined
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
 * while. What does not fit in the list stays in the store's own and is asked for when there is room.
 */
export class TxListBackfill {
  readonly #wants = new Map<string, Want>()
  #underWay = 0
  /** From where on the store has not been asked; `undefined`: it was, to the end. */
  #cursor: bigint | undefined = 0n
  #scanning = false

  /** @param scan asks the store what is missing from a height on, at most so many; the answer comes back through `found` */
  constructor (private readonly world: World, private readonly scan: (from: bigint, max: number) => void) {}

  get size (): number { return this.#wants.size }

  /** Chain found one missing, just now: it may come by gossip within moments. */
  missing (hash: Uint8Array, height: bigint, from: PeerKey | undefined): void {
    if (this.#wants.size < this.world.config.txLists) this.#want(hash, height, from, this.world.now() + this.world.config.gapAfter)
    else this.#later(height)
  }

  have (hash: Uint8Array): void { this.#wants.delete(toHex(hash)) }

  /** The store's answer: a page of what it lacks, or nothing where it could not say. */
  found (page: MissingTxLists | undefined): void {
    this.#scanning = false
    if (page === undefined) return
    this.#cursor = page.next
    for (const { hash, blockNumber } of page.missing) {
      if (this.#wants.size >= this.world.config.txLists) { this.#later(blockNumber); return }
      this.#want(hash, blockNumber, undefined)
    }
  }

  /** Looks the whole store through again: what was dropped or forgotten is found. */
  rescan (): void { this.#cursor = 0n }

  /** Somebody new may have what nobody had. */
  newPeer (): void {
    const now = this.world.now()
    for (const want of this.#wants.values()) if (want.asking.size === 0 && !want.judging) want.notBefore = Math.min(want.notBefore, now)
  }

  pump (): void {
    this.#fill()
    const { config, book } = this.world
    const now = this.world.now()
    let busy = 0
    for (const want of this.#wants.values()) {
      // those that are late give up their place, up to as many again
      if (busy >= config.txListsInFlight || this.#underWay >= 2 * config.txListsInFlight) return
      if (want.judging) { busy++; continue }
      if (want.notBefore > now) { this.world.wake(want.notBefore - now); continue }
      if (want.asking.size > 0) {
        if (want.asking.size > 1) continue
        if (now - want.askedAt < config.lateAfter) {
          this.world.wake(want.askedAt + config.lateAfter - now)
          busy++
          continue
        }
      }
      const fits = (state: SyncPeerState): boolean => !want.tried.has(state.peer) && !want.asking.has(state.peer)
      const chosen = this.#prefer(want, fits) ?? book.choose('txList', now, fits)
      if (chosen === undefined) {
        if (want.asking.size > 0) continue
        // nobody is left: all of them again, later
        want.tried.clear()
        want.notBefore = now + config.txListRetryAfter
        this.world.wake(config.txListRetryAfter)
        continue
      }
      if ('readyAt' in chosen) {
        if (chosen.readyAt !== undefined) this.world.wake(chosen.readyAt - now)
        // those that follow wait for the same peers; only one that has tried fewer could go first
        if (want.tried.size === 0) return
        continue
      }
      this.#ask(want, chosen)
      busy++
    }
  }

  #prefer (want: Want, fits: (state: SyncPeerState) => boolean): SyncPeerState | undefined {
    if (want.from === undefined) return undefined
    const chosen = this.world.book.choose('txList', this.world.now(), state => state.peer === want.from && fits(state))
    return chosen === undefined || 'readyAt' in chosen ? undefined : chosen
  }

  #want (hash: Uint8Array, height: bigint, from: PeerKey | undefined, notBefore = 0): void {
    const id = toHex(hash)
    if (this.#wants.has(id)) return
    this.#wants.set(id, { id, hash, height, from, tried: new Set(), asking: new Set(), askedAt: 0, notBefore, judging: false })
  }

  /** There is no room: the store is asked from this height on when there is. */
  #later (height: bigint): void {
    this.world.count('txListsDeferred')
    if (this.#cursor === undefined || height < this.#cursor) this.#cursor = height
  }

  #fill (): void {
    const room = this.world.config.txLists - this.#wants.size
    if (this.#cursor === undefined || this.#scanning || room < this.world.config.txLists / 2) return
    this.#scanning = true
    this.scan(this.#cursor, Math.floor(room / 2))
  }

  #ask (want: Want, state: SyncPeerState): void {
    if (want.asking.size === 0) want.askedAt = this.world.now()
    want.asking.add(state.peer)
    this.#underWay++
    this.world.request(state, 'txList', txListRequest(want.hash), answer => {
      this.#underWay--
      want.asking.delete(state.peer)
      if (this.#wants.get(want.id) === want && !want.judging) this.#answered(want, state.peer, answer)
    })
  }

  #answered (want: Want, peer: PeerKey, answer: Answer): void {
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

  #judged (want: Want, peer: PeerKey, [result]: readonly Judgement[]): void {
    if (this.#wants.get(want.id) !== want) return
    if (result?.verdict === 'accept' || result?.reason === 'duplicate') {
      this.#wants.delete(want.id)
      this.world.credit(peer)
      return
    }
    if (result?.penalty === true) this.world.fault(peer, 'invalid', result.reason, 'proved')
    want.judging = false
    // it fits, and could not be taken now: from anybody, later
    if (result?.penalty !== true) this.#again(want)
  }

  #again (want: Want): void {
    want.judging = false
    want.tried.clear()
    want.notBefore = this.world.now() + this.world.config.txListRetryAfter
  }
}

import { CommitmentView, toHex } from '../../protocol/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { Doubts } from './doubts.js'
import { checkPage } from './page-check.js'
import type { SyncPeerState } from './peers.js'
import { pageRequest } from './wire.js'
import type { World } from './world.js'

/** Below the heads by so much: what is younger may still differ between honest peers. */
const BELOW_HEADS = 16n
/** With fewer peers there is no majority to speak of. */
const VOTERS = 3

/** A block, and those who have it there. */
interface Vote { readonly bytes: Uint8Array; readonly peers: readonly PeerKey[] }

/**
 * Nobody is believed alone: before a catch-up takes pages, peers are asked for one and the same block, near the heads of most of them.
 * A block fixes everything below it, so those who agree on it serve the same chain. Where more agree than not, pages are asked only of
 * them; what is valid is still for the validator and chain to say. Signatures decide what is true, this decides whom to ask: a fork that
 * elected signers did sign, and that the network has left, is valid too.
 */
export class Pivot {
  readonly #height: bigint
  readonly #askedAt: number
  readonly #waiting = new Set<SyncPeerState>()
  readonly #votes = new Map<string, Vote>()
  #trusted: ReadonlySet<PeerKey> | undefined
  #aside: readonly Vote[] = []
  #settled = false

  private constructor(private readonly world: World, private readonly doubts: Doubts, height: bigint, voters: readonly SyncPeerState[]) {
    this.#height = height
    this.#askedAt = world.now()
    for (const state of voters) this.#ask(state)
  }

  /** `undefined` where there are too few peers, or too little to catch up with, for a vote. */
  static call(world: World, doubts: Doubts, from: bigint): Pivot | undefined {
    const now = world.now()
    const askable = [...world.book.askable()].filter(state => !state.discounted && state.readiness('commitments', now) === 'now')
    const heads = askable.flatMap(({ head }) => head === undefined ? [] : [head.blockNumber]).sort((a, b) => a < b ? 1 : a > b ? -1 : 0)
    const middle = heads[Math.floor((heads.length - 1) / 2)]
    if (middle === undefined || middle < from + BELOW_HEADS) return undefined
    const height = middle - BELOW_HEADS
    const voters = askable.filter(state => state.mayHave(height, now)).sort((a, b) => a.lastAsked - b.lastAsked).slice(0, world.config.voters)
    return voters.length < VOTERS ? undefined : new Pivot(world, doubts, height, voters)
  }

  get height(): bigint { return this.#height }

  /**
   * Another block there was taken. Who has one that an elected signer has signed is on another fork; who has anybody else's is no liar,
   * since stores of reference nodes keep whatever came last (H88). Chain says which it is.
   */
  blameForks(): void {
    for (const { bytes, peers: [first, ...others] } of this.#aside) {
      if (first === undefined) continue
      this.world.handPage(bytes, first, {
        judged: ([result]) => {
          if (result === undefined || result.ofAuthor === true) return
          for (const peer of [first, ...others]) this.world.fault(peer, 'other_fork', `another block ${this.#height} than the one that was taken`, 'found_out')
        },
        lost: () => undefined,
      })
    }
  }

  /** Whether pages may be handed on: enough have voted, or too much time has passed. */
  get settled(): boolean {
    if (this.#settled) return true
    const left = this.#askedAt + this.world.config.lateAfter - this.world.now()
    if (this.#waiting.size > 0 && left > 0 && !this.#decided()) { this.world.wake(left); return false }
    this.#settled = true
    this.#settle()
    return true
  }

  /** Whether pages may be asked of this peer. */
  trusts(peer: PeerKey): boolean { return this.#trusted?.has(peer) ?? !this.#aside.some(({ peers }) => peers.includes(peer)) }

  /** Those who agreed cannot deliver: others may. Gives false where that changes nothing. */
  release(): boolean {
    if (this.#trusted === undefined) return false
    this.#trusted = undefined
    return true
  }

  gone(state: SyncPeerState): void { this.#waiting.delete(state) }

  #ask(state: SyncPeerState): void {
    this.#waiting.add(state)
    this.world.request(state, 'commitments', pageRequest(this.#height, 1), answer => {
      if (!this.#waiting.delete(state) || !answer.ok) return
      const check = checkPage(answer.body, { start: this.#height, count: 1 })
      if (!check.ok) {
        state.discounted = true
        this.world.fault(state.peer, check.fault.reason, check.fault.detail, 'proved')
        return
      }
      if (check.page.count === 0) { this.#lacks(state, check.page.resumes); return }
      // without the signature: stores may keep mangled copies of one commitment (SPEC §9)
      const vote = toHex(new CommitmentView(check.page.bytes).commitmentBytes)
      const { bytes, peers } = this.#votes.get(vote) ?? { bytes: check.page.bytes.slice(), peers: [] }
      this.#votes.set(vote, { bytes, peers: [...peers, state.peer] })
      if (this.#settled) this.#settle()
    })
  }

  /** It said that it has this block, by its head. */
  #lacks(state: SyncPeerState, resumes: bigint | undefined): void {
    if (resumes !== undefined) {
      state.floorIs(resumes, this.world.now())
      this.doubts.raise(state, 'floor', resumes)
    } else if (state.head !== undefined) {
      this.doubts.raise(state, 'empty', this.#height)
    }
  }

  /** More agree already than could still disagree. */
  #decided(): boolean {
    const [most = 0, next = 0] = [...this.#votes.values()].map(({ peers }) => peers.length).sort((a, b) => b - a)
    return most > next + this.#waiting.size
  }

  #settle(): void {
    const groups = [...this.#votes.values()].sort((a, b) => b.peers.length - a.peers.length)
    const [most, next] = groups
    if (most === undefined || most.peers.length < 2 || most.peers.length === next?.peers.length) return
    this.#trusted = new Set(most.peers)
    this.#aside = groups.slice(1)
  }
}

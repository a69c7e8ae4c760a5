import { CommitmentView, pageRequest, toHex } from '../../../protocol/index.js'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { PeerClaims } from '../peer-claims.js'
import { checkPage } from './page-check.js'
import type { SyncPeerState } from '../peers.js'
import type { SyncContext } from '../context.js'

/** How far below the heads the checkpoint lies: younger blocks may still differ between honest peers. */
const BELOW_HEADS = 16n
/** With fewer peers there is no meaningful majority. */
const VOTERS = 3

/** A block at the checkpoint, and the peers that serve it. */
interface Vote { readonly bytes: Uint8Array; readonly peers: readonly PeerKey[] }

/**
 * No single peer is trusted: before a range sync imports pages, several peers are asked for the same block, near the median head. A block
 * fixes everything below it, so peers that agree on it serve the same chain. The largest group of at least two wins, and pages are
 * requested only from it. This decides whom to ask, not what is valid: a fork that elected signers signed and the network has abandoned
 * passes every signature check.
 */
export class CheckpointVote {
  readonly #height: bigint
  readonly #askedAt: number
  readonly #waiting = new Set<SyncPeerState>()
  readonly #votes = new Map<string, Vote>()
  #trusted: ReadonlySet<PeerKey> | undefined
  #aside: readonly Vote[] = []
  #settled = false

  private constructor(private readonly context: SyncContext, private readonly claims: PeerClaims, height: bigint, voters: readonly SyncPeerState[]) {
    this.#height = height
    this.#askedAt = context.now()
    for (const state of voters) this.#ask(state)
  }

  /** Starts a vote; `undefined` if there are too few peers or too few blocks to fetch. */
  static call(context: SyncContext, claims: PeerClaims, from: bigint): CheckpointVote | undefined {
    const now = context.now()
    const askable = [...context.book.askable()].filter(state => !state.discounted && state.readiness('commitments', now) === 'now')
    const heads = askable.flatMap(({ head }) => head === undefined ? [] : [head.blockNumber]).sort((a, b) => a < b ? 1 : a > b ? -1 : 0)
    const middle = heads[Math.floor((heads.length - 1) / 2)]
    if (middle === undefined || middle < from + BELOW_HEADS) return undefined
    const height = middle - BELOW_HEADS
    const voters = askable.filter(state => state.mayHave(height, now)).sort((a, b) => a.lastAsked - b.lastAsked).slice(0, context.config.voters)
    return voters.length < VOTERS ? undefined : new CheckpointVote(context, claims, height, voters)
  }

  get height(): bigint { return this.#height }

  /**
   * Another block was adopted at the checkpoint. A peer whose block an elected signer signed is on another fork. A peer with anybody else's
   * is not at fault, since reference nodes' stores keep whatever arrived last (H88). Chain's judgement tells the two apart.
   */
  blameForks(): void {
    for (const { bytes, peers: [first, ...others] } of this.#aside) {
      if (first === undefined) continue
      this.context.handPage(bytes, first, {
        judged: ([result]) => {
          if (result === undefined || result.ofAuthor === true) return
          for (const peer of [first, ...others]) this.context.fault(peer, 'other_fork', `another block ${this.#height} than the one that was taken`, 'found_out')
        },
        lost: () => undefined,
      })
    }
  }

  /** Whether the vote is over: it is decided, or the time is up. */
  get settled(): boolean {
    if (this.#settled) return true
    const left = this.#askedAt + this.context.config.lateAfter - this.context.now()
    if (this.#waiting.size > 0 && left > 0 && !this.#decided()) { this.context.wake(left); return false }
    this.#settled = true
    this.#settle()
    return true
  }

  /** Whether pages may be requested from this peer. */
  trusts(peer: PeerKey): boolean { return this.#trusted?.has(peer) ?? !this.#aside.some(({ peers }) => peers.includes(peer)) }

  /** The winners cannot deliver, so the others may be asked; false if that changes nothing. */
  release(): boolean {
    if (this.#trusted === undefined) return false
    this.#trusted = undefined
    return true
  }

  gone(state: SyncPeerState): void { this.#waiting.delete(state) }

  #ask(state: SyncPeerState): void {
    this.#waiting.add(state)
    this.context.request(state, 'commitments', pageRequest(this.#height, 1), answer => {
      if (!this.#waiting.delete(state) || !answer.ok) return
      const check = checkPage(answer.body, { start: this.#height, count: 1 })
      if (!check.ok) {
        state.discounted = true
        this.context.fault(state.peer, check.fault.reason, check.fault.detail, 'proved')
        return
      }
      if (check.page.count === 0) { this.#lacks(state, check.page.resumes); return }
      // without the signature: stores may keep copies with an altered one (SPEC §9)
      const vote = toHex(new CommitmentView(check.page.bytes).commitmentBytes)
      const { bytes, peers } = this.#votes.get(vote) ?? { bytes: check.page.bytes.slice(), peers: [] }
      this.#votes.set(vote, { bytes, peers: [...peers, state.peer] })
      if (this.#settled) this.#settle()
    })
  }

  /** The peer lacks the block although its head lies above it. */
  #lacks(state: SyncPeerState, resumes: bigint | undefined): void {
    if (resumes !== undefined) {
      state.floorIs(resumes, this.context.now())
      this.claims.raise(state, 'floor', resumes)
    } else if (state.head !== undefined) {
      this.claims.raise(state, 'empty', this.#height)
    }
  }

  /** No outstanding vote can change the winner. */
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

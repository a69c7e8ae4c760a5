import { checkPage } from './range/page-check.js'
import type { SyncPeerState } from './peers.js'
import { pageRequest } from '../../protocol/index.js'
import type { SyncContext } from './context.js'

/**
 * A claim that may be false, and how it is tested:
 * - `empty`: the peer has nothing from `height` up, but announced a head at or above it. It must deliver the block at its head.
 * - `short`: its page ended before `height`, below its announced head. If it delivers `height` when asked for it alone, it withheld it.
 * - `floor`: asked from a lower height, it began at `height`. It must deliver that block. (A node that joined late or keeps little is honest.)
 * - `outlier`: it announced a head far above all others, and must deliver the block there before that head counts.
 */
export type ClaimKind = 'empty' | 'short' | 'floor' | 'outlier'

interface Claim { readonly peer: SyncPeerState; readonly kind: ClaimKind; readonly height: bigint; asking: boolean }

/** Tests what peers claim, with one request for each claim. At most one claim of a kind per peer. */
export class PeerClaims {
  readonly #claims = new Map<string, Claim>()
  /** The highest block at or above which each peer has proved its head. */
  readonly #shown = new Map<SyncPeerState, bigint>()

  constructor(private readonly context: SyncContext) {}

  get size(): number { return this.#claims.size }

  /** Whether a test is in flight. */
  get asking(): boolean { return [...this.#claims.values()].some(({ asking }) => asking) }

  has(peer: SyncPeerState, kind: ClaimKind): boolean { return this.#claims.has(key(peer, kind)) }

  /** Whether the peer has delivered a block at or above this height. */
  shown(peer: SyncPeerState, height: bigint): boolean { return (this.#shown.get(peer) ?? -1n) >= height }

  raise(peer: SyncPeerState, kind: ClaimKind, height: bigint): void {
    const id = key(peer, kind)
    if (!this.#claims.has(id)) this.#claims.set(id, { peer, kind, height, asking: false })
  }

  /** Forgets a peer that disconnected. */
  drop(peer: SyncPeerState): void {
    this.#shown.delete(peer)
    for (const [id, claim] of this.#claims) if (claim.peer === peer) this.#claims.delete(id)
  }

  /** A new range sync begins: drops the claims that are not being tested. */
  renew(): void {
    this.#shown.clear()
    for (const [id, claim] of this.#claims) if (!claim.asking) this.#claims.delete(id)
  }

  /**
   * Sends the tests that are due: `floor` and `outlier` at once, `short` and `empty` once others have delivered the height in question
   * (everything below `taken` is adopted). With `all`, at the end of a range sync, every `empty` claim too.
   */
  settle(taken: bigint, all: boolean): void {
    for (const claim of this.#claims.values()) {
      if (claim.asking || claim.peer.discounted) continue
      const due = claim.kind === 'floor' || claim.kind === 'outlier' || claim.height < taken || (all && claim.kind === 'empty')
      if (due) this.#probe(claim, taken)
    }
  }

  #probe(claim: Claim, taken: bigint): void {
    const { peer, kind, height } = claim
    const start = kind === 'empty' || kind === 'outlier' ? peer.head?.blockNumber : height
    if (start === undefined) { this.#over(claim); return }
    if (kind === 'empty' && this.shown(peer, start)) { this.#over(claim); return }
    const readiness = peer.readiness('commitments', this.context.now())
    if (readiness !== 'now') {
      if (readiness !== 'when_answered') this.context.wake(readiness - this.context.now())
      return
    }
    claim.asking = true
    this.context.request(peer, 'commitments', pageRequest(start, 1), answer => {
      this.#over(claim)
      if (answer.ok) this.#judge(claim, start, taken, answer.body)
    })
  }

  #judge({ peer, kind, height }: Claim, start: bigint, taken: bigint, body: Uint8Array): void {
    const check = checkPage(body, { start, count: 1 })
    if (!check.ok) {
      peer.discounted = true
      this.context.fault(peer.peer, check.fault.reason, check.fault.detail, 'proved')
      return
    }
    const has = check.page.count > 0
    if (has && (this.#shown.get(peer) ?? -1n) < start) this.#shown.set(peer, start)
    switch (kind) {
      case 'short':
        if (has) this.#liar(peer, 'truncated', `it left out block ${height}, which it has`)
        else if (check.page.resumes === undefined && (peer.head?.blockNumber ?? 0n) >= height) this.raise(peer, 'empty', height)
        return
      case 'floor':
        if (has) peer.floorIs(height, this.context.now())
        else this.#liar(peer, 'shifted', `it answered with block ${height} when asked for a lower one, and has no block ${height}`)
        return
      case 'outlier':
        if (!has) this.#liar(peer, 'inflated_head', `it has no block at its head ${start}`)
        return
      case 'empty':
        if (!has) this.#liar(peer, height < taken ? 'withheld' : 'inflated_head', `it has nothing from ${height} on and no block at its head ${start}`)
    }
  }

  #liar(peer: SyncPeerState, reason: 'truncated' | 'shifted' | 'inflated_head' | 'withheld', detail: string): void {
    peer.discounted = true
    this.context.fault(peer.peer, reason, detail, 'found_out')
  }

  #over(claim: Claim): void { this.#claims.delete(key(claim.peer, claim.kind)) }
}

const key = (peer: SyncPeerState, kind: ClaimKind): string => `${kind} ${peer.peer}`

import { checkPage } from './page-check.js'
import type { SyncPeerState } from './peers.js'
import { pageRequest } from './wire.js'
import type { World } from './world.js'

/**
 * What a peer said that may be a lie or an honest lack:
 * - `empty`: it has nothing from `height` on, but announced a head at or above it. It must show that head.
 * - `short`: its page ended before `height`, below its announced head. If it has `height` when asked for it alone, it had held it back.
 * - `floor`: asked from below, it began at `height`: it must show that block. (A node that came late, or keeps little, is no liar.)
 * - `outlier`: it announced a head far above everybody else's, and must show it before it counts.
 */
export type DoubtKind = 'empty' | 'short' | 'floor' | 'outlier'

interface Doubt { readonly peer: SyncPeerState; readonly kind: DoubtKind; readonly height: bigint; asking: boolean }

/** Holds peers to their own word: one request tells a lie from a lack. At most one doubt of a kind for a peer. */
export class Doubts {
  readonly #doubts = new Map<string, Doubt>()
  /** Heads that were shown, by peer: the highest. */
  readonly #shown = new Map<SyncPeerState, bigint>()

  constructor(private readonly world: World) {}

  get size(): number { return this.#doubts.size }

  /** Whether the answer to a doubt is under way. */
  get asking(): boolean { return [...this.#doubts.values()].some(({ asking }) => asking) }

  has(peer: SyncPeerState, kind: DoubtKind): boolean { return this.#doubts.has(key(peer, kind)) }

  /** Whether the peer has shown a block at or above this height. */
  shown(peer: SyncPeerState, height: bigint): boolean { return (this.#shown.get(peer) ?? -1n) >= height }

  raise(peer: SyncPeerState, kind: DoubtKind, height: bigint): void {
    const id = key(peer, kind)
    if (!this.#doubts.has(id)) this.#doubts.set(id, { peer, kind, height, asking: false })
  }

  /** A departed peer is in no doubt any more. */
  drop(peer: SyncPeerState): void {
    this.#shown.delete(peer)
    for (const [id, doubt] of this.#doubts) if (doubt.peer === peer) this.#doubts.delete(id)
  }

  /** A new run begins: doubts that nothing has borne out are over. */
  renew(): void {
    this.#shown.clear()
    for (const [id, doubt] of this.#doubts) if (!doubt.asking) this.#doubts.delete(id)
  }

  /**
   * Asks those that can be settled now: `floor` and `outlier` at once, `short` and `empty` when others have delivered the height in
   * question (`taken`: everything below is). With `all`, at the end of a run, every `empty` one too: nobody has more than that.
   */
  settle(taken: bigint, all: boolean): void {
    for (const doubt of this.#doubts.values()) {
      if (doubt.asking || doubt.peer.discounted) continue
      const due = doubt.kind === 'floor' || doubt.kind === 'outlier' || doubt.height < taken || (all && doubt.kind === 'empty')
      if (due) this.#probe(doubt, taken)
    }
  }

  #probe(doubt: Doubt, taken: bigint): void {
    const { peer, kind, height } = doubt
    const start = kind === 'empty' || kind === 'outlier' ? peer.head?.blockNumber : height
    if (start === undefined) { this.#over(doubt); return }
    if (kind === 'empty' && this.shown(peer, start)) { this.#over(doubt); return }
    const readiness = peer.readiness('commitments', this.world.now())
    if (readiness !== 'now') {
      if (readiness !== 'when_answered') this.world.wake(readiness - this.world.now())
      return
    }
    doubt.asking = true
    this.world.request(peer, 'commitments', pageRequest(start, 1), answer => {
      this.#over(doubt)
      if (answer.ok) this.#judge(doubt, start, taken, answer.body)
    })
  }

  #judge({ peer, kind, height }: Doubt, start: bigint, taken: bigint, body: Uint8Array): void {
    const check = checkPage(body, { start, count: 1 })
    if (!check.ok) {
      peer.discounted = true
      this.world.fault(peer.peer, check.fault.reason, check.fault.detail, 'proved')
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
        if (has) peer.floorIs(height, this.world.now())
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
    this.world.fault(peer.peer, reason, detail, 'found_out')
  }

  #over(doubt: Doubt): void { this.#doubts.delete(key(doubt.peer, doubt.kind)) }
}

const key = (peer: SyncPeerState, kind: DoubtKind): string => `${kind} ${peer.peer}`

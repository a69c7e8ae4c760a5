import { keyOf } from './commitment.js'
import type { Commitment } from './commitment.js'
import type { ChainState } from './state.js'

/**
 * Blocks that link to a hand-over which nobody can supply (SPEC §6, EOP): reference nodes keep one commitment a height, so such a
 * hand-over may be lost for good. A block right above the head, of a later window than the head's, is then adopted on its elected signer's
 * word: after some peers, or some seconds, have failed to supply its parent.
 */
export class HandoverFallback {
  constructor(private readonly state: ChainState) {}

  /** So many peers could not supply this parent. */
  parentUnavailable(hash: Uint8Array, peers: number): void {
    if (peers < this.state.config.handoverPeers) return
    const key = keyOf(hash)
    for (const child of [...this.state.memory.childrenOf(key)]) if (this.#isNext(child)) this.#adopt(child)
  }

  tick(): void {
    const { canon, memory, outside, config } = this.state
    const { next } = canon
    if (next === undefined) return
    const now = outside.monotonic()
    let best: Commitment | undefined
    for (const child of memory.at(next)) {
      if (!this.#isNext(child)) continue
      child.waitingSince ??= now
      if (now - child.waitingSince >= config.handoverWait && (best === undefined || child.window > best.window)) best = child
    }
    if (best !== undefined) this.#adopt(best)
  }

  /** Whether only its parent keeps it from the head, and that parent can be a hand-over. */
  #isNext(child: Commitment): boolean {
    const { canon, memory } = this.state
    return child.standing === 'pending' && !child.handoverOnly && child.number === canon.next && canon.link(child) === 'unknown'
      && memory.get(child.parentKey) === undefined && (canon.head === undefined || child.window > canon.head.window)
  }

  #adopt(child: Commitment): void {
    child.adoptedWithoutParent = true
    this.state.canon.offerAgain(child)
  }
}

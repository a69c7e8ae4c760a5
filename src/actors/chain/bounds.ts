import type { Commitment } from './commitment.js'
import type { ChainConfig } from './config.js'
import type { Anchor } from './links.js'
import type { CommitmentIndex } from './commitment-index.js'

/** Heights let go at a time. */
const STEP = 64n

/** How much is in memory (H22): so many that wait for a parent, so many beside the chain, and so many heights below the head. */
export class Bounds {
  /** Below this height nothing is in memory, though it may be in the store. */
  floor = 0n

  constructor(
    private readonly memory: CommitmentIndex,
    /** As if it had never come: it can be fetched again. */
    private readonly forget: (commitment: Commitment) => void,
    private readonly askForParent: (child: Commitment) => void,
    private readonly config: Pick<ChainConfig, 'memoryBlocks' | 'maxPendingParents' | 'maxAside'>,
  ) {}

  keep(head: Commitment | undefined, anchor: Anchor | undefined): void {
    const { memory, config: { maxPendingParents, maxAside, memoryBlocks } } = this
    for (const oldest of memory.pending) {
      if (memory.pending.size <= maxPendingParents) break
      this.forget(oldest)
      // Its children wait for it still.
      const [child] = memory.childrenOf(oldest.key)
      if (child !== undefined) this.askForParent(child)
    }
    for (const oldest of memory.aside) {
      if (memory.aside.size <= maxAside) break
      if (oldest.standing === 'retired') memory.remove(oldest)
      else this.forget(oldest)
    }
    // What begins anew may begin below.
    if (head === undefined) { this.floor = 0n; return }
    const floor = head.number - BigInt(memoryBlocks)
    if (floor - this.floor < STEP || (anchor?.kind !== 'tip' && floor <= (anchor?.height ?? 0n))) return
    this.floor = floor
    this.settleBelow(floor)
    memory.prune(floor)
  }

  /**
   * What waits below this height, at or below the confirmed tip, has no place any more. The rest stays known for as long as the memory reaches:
   * what links to it is judged by it, and so is who has signed twice, or after the end of its turn.
   */
  settleBelow(height: bigint): void {
    for (const commitment of [...this.memory.pending]) if (commitment.number < height) this.forget(commitment)
  }
}

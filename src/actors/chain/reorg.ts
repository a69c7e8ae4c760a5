import { equalBytes } from '../../protocol/bytes.js'
import { toHex } from '../../protocol/index.js'
import type { CommitmentRecord } from '../store/ingress.js'
import { anchorOfTip } from './anchor.js'
import { Commitment, keyOf } from './commitment.js'
import { ChainError } from './errors.js'
import type { ConfirmedTip } from './ingress.js'
import type { ChainState } from './state.js'

/** Name under which the store keeps the highest block that the application has demoted, as a decimal string. */
export const REWOUND_TOP = 'chain.rewoundTop'

/**
 * What the application decides about the chain (SPEC §7): the confirmed tip, rewinds, and the return of what was demoted. What it
 * demotes is retired: it returns only when it is named. Everything here answers when it is durable.
 */
export class Reorganiser {
  constructor(private readonly state: ChainState) {}

  /**
   * Demotes every canonical block above `to`.
   * @returns `read_store` where the block at `to` is not in memory: `rewindTo` again with the records read
   * @throws ChainError `below_confirmed_tip`, `below_anchor`, `invalid_value`
   */
  rewind(to: bigint): 'done' | 'read_store' {
    const { canon, tip, memory } = this.state
    checkHeight(to)
    if (tip !== undefined && to < tip.blockNumber) throw new ChainError('below_confirmed_tip', `${to} is below the confirmed tip ${tip.blockNumber}`, to, tip.blockNumber)
    const { anchor, head } = canon
    if (anchor === undefined) return 'done'
    if (to < anchor.height) throw new ChainError('below_anchor', `${to} is below ${anchor.height}, on which this chain stands`, to, anchor.height)
    if (head === undefined || to > head.number) return 'done'
    if (to > anchor.height && memory.blockAt(to) === undefined) return 'read_store'
    this.#demoteAbove(to)
    return 'done'
  }

  /** Goes on with a rewind below what is in memory: the canonical records around `to`, ascending. */
  rewindTo(to: bigint, records: Iterable<CommitmentRecord>, order: () => number): void {
    const { canon } = this.state
    if (canon.head === undefined || to > canon.head.number) return
    this.#demoteAbove(to)
    const tail = [...records].filter(({ blockNumber, standing }) => standing === 'canonical' && blockNumber <= to)
    const commitments = tail.map(record => commitmentOf(record, order()))
    for (const commitment of commitments) this.state.ledger.restore(commitment)
    canon.restore(commitments, commitments[0]?.number ?? to)
    // Not kept any more: what follows is taken without a check of its parent.
    if (canon.head?.number !== to) canon.anchor = { kind: 'root', height: to, key: undefined }
  }

  /**
   * Moves the confirmed tip: what is at or below it is settled. Where our chain has another block there, or none, the chain begins anew
   * from it.
   * @param stored the hash of our block there, where the store had to be asked
   * @returns `read_store` where our block there is not in memory: `confirm` again with what the store says
   * @throws ChainError `tip_below_present`, `invalid_value`
   */
  confirm(tip: ConfirmedTip, stored?: Uint8Array | 'none'): 'done' | 'read_store' {
    const { state } = this
    const { canon, memory, changes } = state
    const { blockNumber, preconfirmationHash } = tip
    checkHeight(blockNumber)
    if (preconfirmationHash !== undefined && !(preconfirmationHash instanceof Uint8Array && preconfirmationHash.length === 32)) {
      throw new ChainError('invalid_value', 'a preconfirmation hash is 32 bytes', preconfirmationHash)
    }
    const present = state.tip
    if (present !== undefined && blockNumber < present.blockNumber) {
      throw new ChainError('tip_below_present', `${blockNumber} is below the confirmed tip ${present.blockNumber}`, blockNumber, present.blockNumber)
    }
    if (present !== undefined && blockNumber === present.blockNumber && sameHash(present, tip)) return 'done'

    const anchor = anchorOfTip(tip)
    const buried = canon.head !== undefined && canon.anchor !== undefined && canon.anchor.height < blockNumber && blockNumber < canon.floor
    if (buried && preconfirmationHash !== undefined && stored === undefined) return 'read_store'
    const held = memory.blockAt(blockNumber)
    const named = preconfirmationHash === undefined ? undefined : memory.get(keyOf(preconfirmationHash))
    const first = this.#firstAbove(blockNumber)
    const keepsUpper = buried ? preconfirmationHash === undefined || (stored instanceof Uint8Array && equalBytes(stored, preconfirmationHash))
      : held !== undefined ? preconfirmationHash === undefined || held === named
      : first !== undefined ? first.number === blockNumber + 1n && (anchor.key === undefined || anchor.key === first.parentKey)
      // Our first block is not in memory any more; what it stands on is known.
      : canon.anchor?.height === blockNumber && (anchor.key === undefined || canon.anchor.key === undefined || anchor.key === canon.anchor.key)
    if (!keepsUpper && canon.head !== undefined && canon.head.number > blockNumber) {
      // Our chain above is another one than the confirmed; or it hangs in the air, and what is below its root is to come.
      if (canon.anchor?.kind === 'root' && canon.anchor.height > blockNumber) this.#unroot(blockNumber)
      else this.#demoteAbove(blockNumber)
    }
    if (!keepsUpper) {
      if (held !== undefined) {
        canon.demoteFrom(blockNumber)
        held.retired = true
        changes.afterwards({ type: 'rewind', to: blockNumber - 1n, reason: 'application' })
      }
      canon.head = undefined
    }
    canon.anchor = anchor
    state.tip = preconfirmationHash === undefined ? { blockNumber } : { blockNumber, preconfirmationHash: preconfirmationHash.slice() }
    changes.tip(state.tip)
    if (!keepsUpper && named !== undefined && named.number === blockNumber && !named.bare) canon.name(named)
    canon.settleBelow(blockNumber)
    canon.settleAnchor()
    for (const pending of [...memory.pending]) if (canon.link(pending) === 'unknown') canon.askForParent(pending)
    return 'done'
  }

  /**
   * Makes a block canonical by name, in place of what holds its height. Its parent must be canonical.
   * @throws ChainError `not_linked`, `below_confirmed_tip`
   */
  reinstate(block: Commitment): void {
    const { canon, memory, tip } = this.state
    const name = toHex(block.hash)
    if (tip !== undefined && block.number <= tip.blockNumber) {
      throw new ChainError('below_confirmed_tip', `${name} is at ${block.number}, not above the confirmed tip`, name, tip.blockNumber)
    }
    if (block.standing === 'canonical') return
    if (canon.link(block) !== 'linked') throw new ChainError('not_linked', `the parent of ${name} is not canonical`, name)
    if (memory.get(block.key) === undefined) {
      memory.add(block, 'demoted')
      this.state.ledger.restore(block)
    }
    if (!block.bare && memory.blockAt(block.number) !== undefined) this.#demoteAbove(block.number - 1n, 'keep_handovers')
    canon.name(block)
  }

  /** @param beside a block that takes the height above `to` by name may link to a hand-over there */
  #demoteAbove(to: bigint, beside: 'keep_handovers' | 'all' = 'all'): void {
    const { state } = this
    const { canon, memory, changes, rewoundTop } = state
    const top = canon.head?.number ?? to
    const handovers = memory.handoversAt(to + 1n)
    canon.demoteFrom(to + 1n)
    for (const handover of handovers) {
      if (beside === 'all') memory.move(handover, 'demoted')
      // The store demotes them all, and learns here which stay.
      changes.touch(handover)
    }
    for (const commitment of memory.aside) if (commitment.number > to) commitment.retired = true
    changes.rewind(to)
    changes.afterwards({ type: 'rewind', to, reason: 'application' })
    if (rewoundTop === undefined || top + 1n > rewoundTop) {
      state.rewoundTop = top + 1n
      changes.meta(REWOUND_TOP, String(top + 1n))
    }
  }

  /** A chain above its new anchor, with a gap between: it waits for what is missing, and nobody has demoted it. */
  #unroot(to: bigint): void {
    const { canon, memory, changes } = this.state
    for (const commitment of [...memory].filter(({ standing }) => standing === 'canonical')) {
      memory.move(commitment, 'pending')
      changes.touch(commitment)
    }
    canon.head = undefined
    changes.rewind(to)
    changes.afterwards({ type: 'rewind', to, reason: 'application' })
  }

  /** The lowest canonical block above a height, as far as it is in memory. */
  #firstAbove(height: bigint): Commitment | undefined {
    const { anchor, head } = this.state.canon
    if (head === undefined || head.number <= height) return undefined
    const lowest = anchor === undefined || anchor.height < height ? height : anchor.height
    return this.state.memory.blockAt(lowest + 1n)
  }
}

/** A commitment of the store's record, as it stands there. */
export function commitmentOf(record: CommitmentRecord, order: number): Commitment {
  const { ssz, hash, signer } = record
  const commitment = new Commitment({ ssz, hash, signer, from: undefined }, order).keep()
  commitment.written = true
  return commitment
}

function checkHeight(height: bigint): void {
  if (typeof height !== 'bigint' || height < 0n) throw new ChainError('invalid_value', 'a height is a bigint, zero or above', height)
}

function sameHash({ preconfirmationHash: a }: ConfirmedTip, { preconfirmationHash: b }: ConfirmedTip): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b)
}

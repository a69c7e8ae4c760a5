import { equalBytes } from '../../protocol/bytes.js'
import { toHex } from '../../protocol/index.js'
import type { CommitmentPut } from '../store/ingress.js'
import { Commitment, keyOf } from './commitment.js'
import { ChainError } from './errors.js'
import type { ConfirmedTip, Head } from './ingress.js'
import { anchorOfTip } from './links.js'
import type { ChainState } from './state.js'
import { MAX_HEIGHT, MAX_WINDOW } from './config.js'

/** Name under which the store keeps the highest block that the application has demoted, as a decimal string. */
export const REWOUND_TOP = 'chain.rewoundTop'

/** A commitment that was looked up for a decision. `kept`: the store has its record; else it comes from the evidence. */
export type Found = CommitmentPut & { readonly kept: boolean }

/** What a decision has to see first that is not in memory: the block of a height, the records up to one, the commitment of a hash. */
export type LookUp =
  | { readonly what: 'block'; readonly height: bigint }
  | { readonly what: 'tail'; readonly to: bigint }
  | { readonly what: 'commitment'; readonly hash: Uint8Array }

/**
 * What the application decides about the chain (SPEC §7): the confirmed tip, rewinds, and the return of what was demoted. What it
 * demotes is retired: it returns only when it is named. Each gives what has to be looked up first, where that is something: it is then
 * called again with what was found. Everything here is checked before anything changes, and durable before it is answered.
 */
export class Decisions {
  constructor(private readonly state: ChainState, private readonly order: () => number) {}

  /**
   * Demotes every canonical block above `to`.
   * @throws ChainError `below_confirmed_tip`, `below_anchor`, `invalid_value`, `height_out_of_range`
   */
  rewind(to: bigint, found?: readonly Found[]): LookUp | undefined {
    const { canon, tip, memory, ledger } = this.state
    checkHeight(to)
    if (tip !== undefined && to < tip.blockNumber) throw new ChainError('below_confirmed_tip', `${to} is below the confirmed tip ${tip.blockNumber}`, to, tip.blockNumber)
    const { anchor, head } = canon
    if (anchor === undefined || (head === undefined && to >= anchor.height)) return undefined
    if (to < anchor.height) throw new ChainError('below_anchor', `${to} is below ${anchor.height}, on which this chain stands`, to, anchor.height)
    if (head === undefined || to > head.number) return undefined
    const deep = to > anchor.height && memory.blockAt(to) === undefined
    if (deep && found === undefined) return { what: 'tail', to }
    this.#demoteFrom(to + 1n, 'all')
    // What had been demoted before returns as little as the rest.
    for (const each of [...memory.aside]) {
      if (each.number <= to || each.rival || each.standing === 'retired') continue
      memory.move(each, 'retired')
      this.state.changes.touch(each)
    }
    if (deep) {
      const tail = (found ?? []).filter(({ standing }) => standing === 'canonical').map(record => this.commitment(record)).filter(({ number }) => number <= to)
      canon.restore(tail, tail[0]?.number ?? to)
      for (const commitment of tail) ledger.restore(commitment)
      // Not kept any more: what follows is taken without a check of its parent.
      if (canon.head?.number !== to) canon.rootAt(to + 1n)
    }
    this.#decided()
    return undefined
  }

  /**
   * Moves the confirmed tip: what is at or below it is settled. Where our chain has another block there, or none, the chain begins anew
   * from it.
   * @throws ChainError `tip_below_present`, `invalid_value`, `height_out_of_range`
   */
  confirm(tip: ConfirmedTip, found?: readonly Found[]): LookUp | undefined {
    const { state } = this
    const { canon, memory, changes } = state
    checkTip(tip)
    const { blockNumber, preconfirmationHash } = tip
    const { tip: present } = state
    if (present !== undefined && blockNumber < present.blockNumber) {
      throw new ChainError('tip_below_present', `${blockNumber} is below the confirmed tip ${present.blockNumber}`, blockNumber, present.blockNumber)
    }
    if (present !== undefined && blockNumber === present.blockNumber && sameHash(present, tip)) return undefined

    const { anchor, head } = canon
    const within = head !== undefined && anchor !== undefined && anchor.height < blockNumber && blockNumber <= head.number
    const next = anchorOfTip(tip)
    // Our block of that height, or what our first block stands on: of a tip without a hash only that block tells.
    const height = within ? blockNumber : blockNumber + 1n
    const stands = within || (anchor?.height === blockNumber && head !== undefined && anchor.key === undefined)
    const block = memory.blockAt(height) ?? found?.map(record => this.commitment(record))[0]
    if (stands && block === undefined && next.key !== undefined && found === undefined) return { what: 'block', height }
    const ours = within ? block?.key : anchor?.key ?? (block === undefined ? memory.blockAt(blockNumber)?.key : canon.parentOf(block))
    // What is not kept any more cannot be told apart.
    const keeps = (within || anchor?.height === blockNumber) && (next.key === undefined || ours === undefined || ours === next.key)
    const held = memory.blockAt(blockNumber)
    const replaces = !keeps && (within || (held !== undefined && held.key !== next.key))
    if (!keeps) {
      // Our chain is another one than the confirmed; or it hangs in the air, and what is below its root is to come.
      if (anchor?.kind === 'root' && anchor.height > blockNumber) canon.demote(blockNumber + 1n, { decision: 'pending', handovers: 'all' })
      else this.#demoteFrom(replaces ? blockNumber : blockNumber + 1n, 'all')
      canon.head = undefined
    }
    canon.anchor = next
    state.tip = preconfirmationHash === undefined ? { blockNumber } : { blockNumber, preconfirmationHash: preconfirmationHash.slice() }
    changes.tip(state.tip)
    changes.root(null)
    const named = next.key === undefined ? undefined : memory.get(next.key)
    if (!keeps && named?.number === blockNumber && !named.handoverOnly) canon.name(named)
    canon.bounds.settleBelow(blockNumber + 1n)
    canon.settleAnchor()
    if (replaces) this.#decided()
    for (const pending of [...memory.pending]) if (canon.link(pending) === 'unknown') canon.askForParent(pending)
    return undefined
  }

  /**
   * Makes a block canonical by name, in place of what holds its height: one that was demoted, or one that is kept as evidence. Its parent
   * must be canonical.
   * @throws ChainError `unknown_block`, `not_linked`, `below_confirmed_tip`, `invalid_value`
   */
  reinstate(hash: Uint8Array, found?: readonly Found[]): LookUp | undefined {
    const { canon, memory, tip } = this.state
    checkHash(hash)
    const name = toHex(hash)
    const present = memory.get(keyOf(hash))
    if (present === undefined && found === undefined) return { what: 'commitment', hash: hash.slice() }
    const block = present ?? (found?.[0] === undefined ? undefined : this.commitment(found[0]))
    if (block === undefined) throw new ChainError('unknown_block', 'no commitment of this hash is known', name)
    if (tip !== undefined && block.number <= tip.blockNumber) {
      throw new ChainError('below_confirmed_tip', `${name} is at ${block.number}, not above the confirmed tip`, name, tip.blockNumber)
    }
    if (block.standing === 'canonical') return undefined
    if (canon.link(block) !== 'linked') throw new ChainError('not_linked', `the parent of ${name} is not canonical`, name)
    if (present === undefined) memory.add(block, 'demoted')
    if (!block.handoverOnly) this.#demoteFrom(block.number, 'above')
    canon.name(block)
    this.#decided()
    return undefined
  }

  /** What peers are told in place of the head; `undefined` takes it back. @throws ChainError `invalid_value`, `height_out_of_range` */
  updateHead(head: Head | undefined): void {
    checkHead(head)
    this.state.override = head
    this.state.changes.override(head ?? null)
  }

  commitment({ ssz, hash, signer, own, kept }: Found): Commitment {
    const commitment = new Commitment({ ssz, hash, signer, from: undefined, ...own === true && { own } }, this.order()).keep()
    commitment.written = kept
    return commitment
  }

  /** @param handovers `above`: a block that takes its height by name may link to a hand-over there */
  #demoteFrom(from: bigint, handovers: 'all' | 'above'): void {
    const { state } = this
    const { canon, changes, rewoundTop } = state
    const { head } = canon
    canon.demote(from, { decision: 'retired', handovers })
    if (head === undefined || head.number < from) return
    const top = head.number + 1n
    if (rewoundTop === undefined || top > rewoundTop) {
      state.rewoundTop = top
      changes.meta(REWOUND_TOP, String(top))
    }
  }

  #decided(): void {
    this.state.canon.unbar()
    this.state.canon.decided()
  }
}

/** @throws ChainError `invalid_value`, `height_out_of_range` */
export function checkTip({ blockNumber, preconfirmationHash }: ConfirmedTip): void {
  checkHeight(blockNumber)
  if (preconfirmationHash !== undefined) checkHash(preconfirmationHash)
}

/** @throws ChainError `invalid_value`, `height_out_of_range` */
export function checkHead(head: Head | undefined): void {
  if (head === undefined) return
  checkHeight(head.blockNumber)
  if (typeof head.submissionWindowEnd !== 'bigint' || head.submissionWindowEnd < 0n || head.submissionWindowEnd > MAX_WINDOW) {
    throw new ChainError('invalid_value', 'a window\'s end is a bigint from 0 to 2^64 − 1, in seconds', head.submissionWindowEnd, MAX_WINDOW)
  }
}

function checkHash(hash: Uint8Array): void {
  if (!(hash instanceof Uint8Array) || hash.length !== 32) throw new ChainError('invalid_value', 'a preconfirmation hash is 32 bytes', hash)
}

function checkHeight(height: bigint): void {
  if (typeof height !== 'bigint' || height < 0n) throw new ChainError('invalid_value', 'a height is a bigint, zero or above', height)
  if (height > MAX_HEIGHT) throw new ChainError('height_out_of_range', `no height is above ${MAX_HEIGHT}`, height, MAX_HEIGHT)
}

function sameHash({ preconfirmationHash: a }: ConfirmedTip, { preconfirmationHash: b }: ConfirmedTip): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b)
}

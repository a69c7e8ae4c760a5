import type { Hex, Operator, PostedSlot, Variant } from './facts.js'
import type { Posted } from './record.js'
import { EPOCH, SLOT } from './time.js'
import type { SlotClock } from './time.js'

/** What the answers are reckoned from. Times are seconds of L1. */
export interface Ground {
  readonly variant: Variant
  readonly clock: SlotClock
  readonly head: { readonly time: number }
  posted(epoch: number): Posted | undefined
  decided(epoch: number): boolean
  activity(root: Hex, start: number, end: number): ReadonlySet<boolean | undefined>
  activeAt(root: Hex, time: number): boolean | undefined
  fallbacks(epoch: number, start: number, end: number): readonly Operator[] | undefined
}

/** Why nothing is known of a window, for figures and for people. */
export type Unknown =
  /** The lookahead of its epoch may still be posted. */
  | 'undecided'
  /** The posted slots were not to be found, or break the rules. */
  | 'bad_post'
  /** The whitelist elects nobody. */
  | 'nobody'
  /** It is older than what has been read. */
  | 'not_read'
  /** L1 is not followed at the moment, and may have said more. */
  | 'stale'

/** Who may sign in a window, and as what. */
export interface WindowAnswer {
  readonly committers: readonly Hex[]
  readonly fallbacks: readonly Operator[]
}

export type Answer = WindowAnswer | 'not_slot_end' | { readonly unknown: Unknown }

const unknown = (why: Unknown): Answer => ({ unknown: why })
const NO_SLOTS: readonly PostedSlot[] = []

/** A lookahead, as far as it is settled; `undefined`: it is not. */
type Slots = readonly PostedSlot[] | 'bad_post' | undefined

/**
 * Who may sign in the window that ends at a slot's beginning (LOOKAHEAD §3, §5): everybody of whom L1 does not say that it may not. A
 * window is the stretch since the last posted slot; what is behind the last one of an epoch belongs to the first one of the next epoch,
 * or to the fallback.
 */
export class Windows {
  constructor(private readonly ground: Ground, private readonly options: { readonly handoverSlots: number; readonly fresh: boolean }) {}

  answer(end: number): Answer {
    const { clock, variant } = this.ground
    if (!clock.isSlot(end)) return 'not_slot_end'
    const epoch = clock.epochOf(end)
    const slots = this.#slots(epoch)
    if (slots === undefined) return this.#notKnown(epoch)
    if (slots === 'bad_post') return unknown('bad_post')
    const index = slots.findIndex(({ time }) => time === end)
    if (index >= 0) return this.#posted(epoch, slots, index)
    if (end !== epoch + EPOCH - SLOT) return 'not_slot_end'
    const last = slots.at(-1)
    const next = variant === 'whitelist' ? undefined : this.ground.posted(epoch + EPOCH)
    if (last !== undefined && next === undefined && !this.options.fresh && !this.ground.decided(epoch + EPOCH)) return unknown('stale')
    if (last === undefined || next === undefined) return this.#fallback(epoch, last?.time)
    if (next.slots === undefined) return unknown('bad_post')
    const [first] = next.slots
    if (first === undefined) return this.#fallback(epoch, last.time)
    // The tail was the fallback's until the next lookahead came.
    const handedOver = this.ground.activity(first.root, last.time, end)
    const wasInactive = variant === 'packed-lookahead' && mayBe(false, handedOver)
    if (wasInactive) return this.#fallback(epoch, last.time)
    return next.at > last.time ? this.#fallback(epoch, last.time, Math.min(next.at, end)) : 'not_slot_end'
  }

  /** The window that a time lies in, by what L1 says now: its end and who signs. `undefined`: nobody knows (yet). */
  at(time: number): { readonly end: number; readonly answer: Answer } | undefined {
    const { clock, variant } = this.ground
    const epoch = clock.epochOf(time)
    const slots = this.#slots(epoch)
    if (slots === undefined || slots === 'bad_post') return undefined
    const tail = epoch + EPOCH - SLOT
    const next = variant === 'whitelist' ? undefined : this.ground.posted(epoch + EPOCH)
    const own = slots.find(each => time <= each.time)
    const slot = own ?? (slots.length > 0 ? next?.slots?.[0] : undefined)
    if (slot === undefined) return { end: tail, answer: this.answer(tail) }
    // In the packed generation an inactive operator of the next epoch leaves the tail to this epoch's own last slot.
    const end = own === undefined && variant === 'packed-lookahead' && this.ground.activeAt(slot.root, time) === false ? tail : slot.time
    return { end, answer: this.answer(end) }
  }

  #posted(epoch: number, slots: readonly PostedSlot[], index: number): Answer {
    const { committer, root, time: end } = slots[index]!
    const start = index > 0 ? slots[index - 1]!.time : this.#startOfFirst(epoch)
    if (start === undefined) return this.#notKnown(epoch)
    const packed = this.ground.variant === 'packed-lookahead'
    const boundary = Math.max(start, epoch - SLOT)
    const [before, own] = [this.ground.activity(root, packed ? start - SLOT : start, boundary), this.ground.activity(root, boundary, end)]
    const mayAct = mayBe(true, own) || (start < boundary && mayBe(true, before))
    // Each epoch has its own fallback. What lies in the epoch before is another window in the packed generation.
    const parts = [
      ...!packed && start < boundary && mayBe(false, before) ? [this.ground.fallbacks(epoch - EPOCH, start, boundary)] : [],
      ...mayBe(false, own) ? [this.ground.fallbacks(epoch, boundary, end)] : [],
    ]
    if (parts.includes(undefined)) return this.#notKnown(epoch)
    const fallbacks = distinct(parts.flatMap(each => each ?? []))
    return !mayAct && fallbacks.length === 0 ? unknown('nobody') : { committers: mayAct ? [committer] : [], fallbacks }
  }

  /** When the window of an epoch's first posted slot begins: behind the last slot of the epoch before, where that has one. */
  #startOfFirst(epoch: number): number | undefined {
    const before = this.#slots(epoch - EPOCH)
    if (epoch <= this.ground.clock.genesis) return epoch - SLOT
    if (before === undefined) return undefined
    if (before !== 'bad_post' && before.length === 0) return epoch - SLOT
    // what lies behind the last slot of the epoch before is the fallback's until this epoch's lookahead is posted
    const last = before === 'bad_post' ? epoch - EPOCH : before.at(-1)!.time
    return Math.max(last, this.ground.posted(epoch)!.at - SLOT)
  }

  /** The window behind the last slot of an epoch, or the whole epoch; `end`: up to when it was the fallback's. */
  #fallback(epoch: number, after: number | undefined, end = epoch + EPOCH - SLOT): Answer {
    const start = after ?? epoch - SLOT
    const own = this.ground.fallbacks(epoch, start, end)
    const next = this.options.handoverSlots > 0 ? this.ground.fallbacks(epoch + EPOCH, start, end) : []
    if (own === undefined || next === undefined) return this.#notKnown(epoch)
    const fallbacks = distinct([...own, ...next])
    return fallbacks.length === 0 ? unknown('nobody') : { committers: [], fallbacks }
  }

  #notKnown(epoch: number): Answer { return unknown(this.ground.head.time < epoch ? 'undecided' : 'not_read') }

  #slots(epoch: number): Slots {
    if (this.ground.variant === 'whitelist') return NO_SLOTS
    const posted = this.ground.posted(epoch)
    if (posted !== undefined) return posted.slots ?? 'bad_post'
    return this.ground.decided(epoch) ? NO_SLOTS : undefined
  }
}

/** Whether an operator may have been (in)active: doubt counts as both. */
const mayBe = (active: boolean, known: ReadonlySet<boolean | undefined>): boolean => known.has(active) || known.has(undefined)

const distinct = (operators: readonly Operator[]): readonly Operator[] => [...new Map(operators.map(each => [each.proposer, each])).values()]

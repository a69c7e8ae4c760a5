import { ScheduleError } from './errors.js'
import type { Block, Fact, Hex, Operator, PostedSlot, Roster, TimedFact, Variant } from './facts.js'
import { ZERO_HASH } from './facts.js'
import { beforeAdded, beforeRemoved, elected, withAdded, withRemoved } from './roster.js'
import { EPOCH } from './time.js'
import type { SlotClock } from './time.js'
import { Timeline } from './timeline.js'
import type { Entry } from './timeline.js'

/** A posted lookahead. */
export interface Posted {
  /** `undefined`: not to be found, or against the contract's rules. */
  readonly slots: readonly PostedSlot[] | undefined
  /** The time of the block that has it. */
  readonly at: number
}

/** What an epoch takes its randomness from: the first block after the beginning of another one, two before it. */
export interface RandomRoot { readonly root: Hex; readonly time: number }

/** What is known and can change no more: of the time from `since` until `until`. */
export interface Settled {
  readonly since: number
  readonly until: number
  readonly posted: ReadonlyMap<number, Posted>
  readonly roots: ReadonlyMap<number, RandomRoot>
  readonly activity: ReadonlyMap<Hex, readonly Entry<boolean | undefined>[]>
  readonly rosters: readonly Entry<readonly Roster[]>[]
}

/** After a change, what held before still counts for so long, seconds. */
export const GRACE = 24

/** An epoch's randomness is that of so long before. */
export const RANDOMNESS_DELAY = 2 * EPOCH

/** The epoch after whose beginning an epoch's randomness is taken. */
export const randomnessOf = (epoch: number): number => epoch < RANDOMNESS_DELAY ? epoch : epoch - RANDOMNESS_DELAY

const NOBODY_KNOWN: Roster = { operators: [], latestActivation: Infinity }

/**
 * What is known of L1, from the time `since` to the newest block. Everything is dated by the time of the block that says it, so a reorg
 * takes it back by dropping what is later than the last common block.
 */
export class L1Record {
  /** The newest blocks, the oldest first: as far back as a reorg is followed. */
  #blocks: Block[]
  #since: number
  readonly #posted = new Map<number, Posted>()
  /** By the beginning of the epoch that they are the first block after. */
  readonly #roots = new Map<number, RandomRoot>()
  readonly #activity = new Map<Hex, Timeline<boolean | undefined>>()
  /** All rosters that there can have been: one, but for old ones. */
  readonly #rosters = new Timeline<readonly Roster[]>()
  /** The contract's own word, where ours was another: by epoch. */
  readonly #elected = new Map<number, { readonly operator: Operator | undefined; readonly at: number }>()
  #followedFrom: number

  /** Begins with the newest blocks, each on top of the one before, and the whitelist as it is after the last one. What they say is to be prepended. */
  constructor(readonly variant: Variant, readonly clock: SlotClock, newest: readonly Block[], roster: Roster, private readonly maxBlocks: number) {
    this.#blocks = newest.slice(-maxBlocks)
    const { time } = this.head
    this.#since = time
    this.#followedFrom = time
    this.#rosters.set(time, [roster])
  }

  get head(): Block { return this.#blocks.at(-1)! }
  get blocks(): readonly Block[] { return this.#blocks }
  /** From this time on everything is known. */
  get since(): number { return this.#since }
  get roster(): Roster { return this.#rosters.last?.[0] ?? NOBODY_KNOWN }
  get rosters(): Timeline<readonly Roster[]> { return this.#rosters }
  get postedEpochs(): number { return this.#posted.size }
  get posts(): ReadonlyMap<number, Posted> { return this.#posted }
  get roots(): ReadonlyMap<number, RandomRoot> { return this.#roots }
  get activities(): ReadonlyMap<Hex, Timeline<boolean | undefined>> { return this.#activity }

  /** Whether something is known of an operator of the lookahead. */
  knowsActivity(root: Hex): boolean { return this.#activity.has(root) }

  /** Which of the blocks has this hash. */
  block(hash: Hex): Block | undefined { return this.#blocks.findLast(each => each.hash === hash) }

  /** One more block on top of the newest one. @throws ScheduleError `deep_reorg` where it is not its child */
  append(block: Block): void {
    if (block.parentHash !== this.head.hash || block.time <= this.head.time) throw new ScheduleError('deep_reorg', 'a block that does not follow the newest one', block.number)
    this.#blocks.push(block)
    if (this.#blocks.length > this.maxBlocks) this.#blocks.splice(0, this.#blocks.length - this.maxBlocks)
    this.#seeRoot(block.time, block.beaconRoot)
    for (const fact of block.facts) this.#apply(fact, block.time)
  }

  /** Takes a step of L1 as a whole. `activities`: of operators that are named for the first time. @returns the blocks that are gone, the newest first */
  take({ onto, blocks, activities }: { readonly onto: Hex; readonly blocks: readonly Block[]; readonly activities: ReadonlyMap<Hex, boolean | undefined> }): readonly Block[] {
    const dropped = this.rollBack(onto)
    for (const block of blocks) this.append(block)
    for (const [root, active] of activities) this.noteActivity(root, active)
    return dropped
  }

  /** Forgets everything above a block that is kept. @returns what was forgotten, the newest first */
  rollBack(to: Hex): readonly Block[] {
    const index = this.#blocks.findLastIndex(({ hash }) => hash === to)
    if (index < 0) throw new ScheduleError('deep_reorg', 'the common block is not kept any more', to)
    const dropped = this.#blocks.splice(index + 1).reverse()
    const { time } = this.head
    for (const [epoch, { at }] of this.#posted) if (at > time) this.#posted.delete(epoch)
    for (const [epoch, { time: its }] of this.#roots) if (its > time) this.#roots.delete(epoch)
    for (const [epoch, { at }] of this.#elected) if (at > time) this.#elected.delete(epoch)
    for (const [root, timeline] of this.#activity) {
      timeline.dropAfter(time)
      if (timeline.entries.length === 0) this.#activity.delete(root)
    }
    this.#rosters.dropAfter(time)
    return dropped
  }

  /**
   * What lies before: everything that L1 said from the time `since` to the present lower end, the oldest first. `activeNow` tells of
   * operators that no log of all that is known speaks of.
   */
  prepend(since: number, facts: readonly TimedFact[], activeNow: ReadonlyMap<Hex, boolean> = new Map()): void {
    let rosters = this.#rosters.first ?? []
    const changed = new Set<Hex>()
    for (const { time, fact } of facts.toReversed()) {
      switch (fact.kind) {
        case 'posted': if (!this.#posted.has(fact.epoch)) this.#posted.set(fact.epoch, { slots: fact.slots, at: time }); break
        case 'activity':
          this.#activityOf(fact.root).setBefore(time, fact.active)
          changed.add(fact.root)
          break
        case 'added':
          this.#rosters.setBefore(time, rosters)
          rosters = beforeAdded(rosters, fact.operator)
          break
        case 'removed': {
          this.#rosters.setBefore(time, rosters)
          const added = facts.findLast(each => each.time <= time && each.fact.kind === 'added' && each.fact.operator.proposer === fact.proposer)?.fact
          rosters = beforeRemoved(rosters, fact, added?.kind === 'added' ? added.operator.activeSince : undefined)
          break
        }
      }
    }
    this.#rosters.setBefore(since, rosters)
    for (const [root, timeline] of this.#activity) timeline.setBefore(since, changed.has(root) ? this.#before(timeline.first) : timeline.first)
    this.#since = since
    for (const [root, active] of activeNow) this.noteActivity(root, active)
  }

  /** The root of the first block after the beginning of an epoch: read by itself, where it is older than what was followed. */
  setRoot(epoch: number, found: RandomRoot): void { this.#roots.set(epoch, found) }

  /** The randomness of the blocks after an epoch's beginning, once it is settled; zeros where no block was there in time. */
  rootAfter(epoch: number): Hex | undefined {
    const found = this.#roots.get(epoch)
    if (found !== undefined) return found.root
    return this.#followedFrom <= epoch && this.head.time >= epoch + EPOCH ? ZERO_HASH : undefined
  }

  /** From this time on every header was seen. */
  get followedFrom(): number { return this.#followedFrom }

  /** Every header since `from` was seen, with these among them: what tells the first one after an epoch's beginning. */
  followed(from: number, headers: readonly { readonly time: number; readonly beaconRoot: Hex }[]): void {
    this.#followedFrom = from
    for (const { time, beaconRoot } of headers) this.#seeRoot(time, beaconRoot)
  }

  posted(epoch: number): Posted | undefined { return this.#posted.get(epoch) }

  /** Whether it can change no more, but by a reorg, who is in an epoch's lookahead. */
  decided(epoch: number): boolean {
    return this.variant === 'whitelist' || this.#posted.has(epoch) || (this.head.time >= epoch && this.#since <= epoch - EPOCH)
  }

  /** Whether an operator was active after `start` and until `end`; `undefined` among the answers: not known of a part. */
  activity(root: Hex, start: number, end: number): ReadonlySet<boolean | undefined> {
    const timeline = this.#activity.get(root)
    return new Set(timeline === undefined ? [undefined] : timeline.within(start, end, GRACE))
  }

  activeAt(root: Hex, time: number): boolean | undefined { return this.#activity.get(root)?.at(time) }

  /**
   * Whom the whitelist elects for an epoch, as it was after `start` and until `end`: one, or several where it changed meanwhile, or where
   * it is too long ago to be told. `undefined`: not known. Empty: nobody.
   */
  fallbacks(epoch: number, start: number, end: number): readonly Operator[] | undefined {
    const word = this.#elected.get(epoch)
    if (word !== undefined) return word.operator === undefined ? [] : [word.operator]
    const root = this.rootAfter(randomnessOf(epoch))
    if (root === undefined) return undefined
    const rosters = this.#rosters.within(start, end, GRACE)
    if (rosters.some(each => each === undefined || each.length === 0)) return undefined
    const found = new Map<Hex, Operator>()
    for (const roster of rosters.flatMap(each => each ?? [])) {
      const operator = elected(roster, epoch, root)
      if (operator !== undefined) found.set(operator.proposer, operator)
    }
    return [...found.values()]
  }

  /** Whom the whitelist as it is now elects for an epoch. */
  fallbackAt(epoch: number): Operator | undefined {
    const root = this.rootAfter(randomnessOf(epoch))
    const word = this.#elected.get(epoch)
    return word !== undefined ? word.operator : root === undefined ? undefined : elected(this.roster, epoch, root)
  }

  /** The contract's own word for the fallback of an epoch, as of the newest block. */
  noteElected(epoch: number, operator: Operator | undefined): void { this.#elected.set(epoch, { operator, at: this.head.time }) }

  /** What can change no more, as of a time that is finalized. */
  settled(until: number): Settled {
    const upTo = <T>(timeline: Timeline<T>): readonly Entry<T>[] => timeline.entries.filter(({ from }) => from <= until)
    return {
      since: this.#since, until,
      posted: new Map([...this.#posted].filter(([, { at }]) => at <= until)),
      roots: new Map([...this.#roots].filter(([, { time }]) => time <= until)),
      activity: new Map([...this.#activity].map(([root, timeline]) => [root, upTo(timeline)] as const).filter(([, entries]) => entries.length > 0)),
      rosters: upTo(this.#rosters),
    }
  }

  /** Takes over what was settled before, where that reaches up to what is known. @returns whether it did */
  adopt({ since, until, posted, roots, activity, rosters }: Settled): boolean {
    if (until < this.#since || since >= this.#since) return false
    for (const [epoch, post] of posted) if (!this.#posted.has(epoch)) this.#posted.set(epoch, post)
    for (const [epoch, root] of roots) if (!this.#roots.has(epoch)) this.#roots.set(epoch, root)
    this.#rosters.adopt(rosters)
    for (const [root, entries] of activity) this.#activityOf(root).adopt(entries)
    // of the others nothing was said since then
    for (const timeline of this.#activity.values()) if (timeline.entries[0]!.from > since) timeline.setBefore(since, timeline.first)
    this.#since = since
    return true
  }

  /** Forgets what is older than a time. */
  forgetBefore(time: number): void {
    if (time <= this.#since) return
    for (const epoch of [...this.#posted.keys()]) if (epoch < time - 2 * EPOCH) this.#posted.delete(epoch)
    for (const epoch of [...this.#roots.keys()]) if (epoch < time - 2 * RANDOMNESS_DELAY) this.#roots.delete(epoch)
    for (const epoch of [...this.#elected.keys()]) if (epoch < time) this.#elected.delete(epoch)
    this.#rosters.dropOverBefore(time)
    for (const timeline of this.#activity.values()) timeline.dropOverBefore(time)
    const named = new Set([...this.#posted.values()].flatMap(({ slots }) => slots?.map(({ root }) => root) ?? []))
    for (const root of this.#activity.keys()) if (!named.has(root) && this.#activity.get(root)!.last !== false) this.#activity.delete(root)
    this.#since = Math.max(this.#since, time)
  }

  #apply(fact: Fact, time: number): void {
    switch (fact.kind) {
      case 'posted': this.#posted.set(fact.epoch, { slots: fact.slots, at: time }); return
      case 'activity': {
        const timeline = this.#activityOf(fact.root)
        // it was the other thing since the beginning: all logs since then are known
        if (timeline.entries.length === 0) timeline.set(this.#since, this.#before(fact.active))
        timeline.set(time, fact.active)
        return
      }
      case 'added': this.#setRosters(time, withAdded(this.roster, fact.operator)); return
      case 'removed': this.#setRosters(time, withRemoved(this.roster, fact.proposer)); return
    }
  }

  /** What the contract said of an epoch before it was changed is its word no more. */
  #setRosters(time: number, roster: Roster): void {
    this.#rosters.set(time, [roster])
    this.#elected.clear()
  }

  /** Says whether an operator was active until its first log, or is now where there is none. */
  noteActivity(root: Hex, active: boolean | undefined): void {
    const timeline = this.#activityOf(root)
    if (timeline.entries.length === 0) timeline.set(this.#since, active)
  }

  /** What was before a change: the other thing. Of the packed generation a log tells but one of several reasons. */
  #before(active: boolean | undefined): boolean | undefined {
    return this.variant !== 'lookahead' || active === undefined ? undefined : !active
  }

  #activityOf(root: Hex): Timeline<boolean | undefined> {
    let timeline = this.#activity.get(root)
    if (timeline === undefined) this.#activity.set(root, timeline = new Timeline())
    return timeline
  }

  #seeRoot(time: number, root: Hex): void {
    if (!this.clock.isSlot(time)) return
    // the first block after an epoch's beginning, that of the next one included
    const epoch = this.clock.epochOf(time - 1)
    const known = this.#roots.get(epoch)
    if (epoch >= this.#followedFrom && (known === undefined || time < known.time)) this.#roots.set(epoch, { root, time })
  }
}

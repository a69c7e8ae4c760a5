import { inTurn } from './contracts.js'
import { ScheduleError } from './errors.js'
import type { Block, Fact, Header, Hex, PostedSlot } from './facts.js'
import type { L1, Tag } from './l1.js'
import type { FactReader } from './reading.js'
import type { L1Record } from './record.js'
import { EPOCH } from './time.js'
import type { SlotClock } from './time.js'

/** What a look at L1 has found beyond what was known. */
export type Step =
  | { readonly kind: 'same' }
  /** The endpoints tell of a block that ours is built on. */
  | { readonly kind: 'behind' }
  /** `onto`: the common block. The new ones are on top of it, the oldest first. */
  | { readonly kind: 'blocks'; readonly onto: Hex; readonly blocks: readonly Block[]; readonly activities: ReadonlyMap<Hex, boolean | undefined> }

/** What of the record a look needs: it is not changed meanwhile. */
type Known = Pick<L1Record, 'head' | 'block' | 'knowsActivity' | 'activeAt' | 'posted' | 'variant'>

interface Options {
  readonly tag: Tag
  readonly quorum: number
  readonly maxReorg: number
  readonly counts: (header: Header) => boolean
}

/**
 * Looks for the newest block and reads what is new, by hash: logs of an orphaned block are never taken for those of the canonical one.
 * Changes nothing. @throws ScheduleError; `deep_reorg`: what is new does not lead back to anything known
 */
export async function look(l1: L1, facts: FactReader, known: Known, clock: SlotClock, { tag, quorum, maxReorg, counts }: Options): Promise<Step> {
  const newest = await l1.newest(tag, quorum, counts)
  if (newest.hash === known.head.hash) return { kind: 'same' }
  if (known.block(newest.hash) !== undefined) return { kind: 'behind' }
  const headers = [newest]
  for (let common: unknown; common === undefined;) {
    const [first] = headers as [Header]
    common = known.block(first.parentHash)
    if (common === undefined && headers.length >= maxReorg) throw new ScheduleError('deep_reorg', `${maxReorg} blocks do not lead back to one that is known`, maxReorg)
    const parent = known.block(first.parentHash) ?? await l1.headerOf(first.parentHash)
    // what is known is dated by its block: on a chain whose time stands still nothing could be taken back
    if (parent.number !== first.number - 1 || parent.time >= first.time) throw new ScheduleError('bad_response', 'a block whose parent is no earlier one', 'eth_getBlockByHash')
    if (common === undefined) headers.unshift(parent as Header)
  }
  const blocks: Block[] = []
  const activities = new Map<Hex, boolean | undefined>()
  const packed = facts.contracts.variant === 'packed-lookahead' ? new Coming(facts, known, clock, headers[0]!.parentHash) : undefined
  for (const header of headers) {
    const block = await readBlock(l1, facts, header)
    blocks.push(packed === undefined ? block : await packed.with(block))
    if (facts.contracts.variant !== 'lookahead') continue
    // Whoever is named for the first time may have been struck off long ago.
    for (const root of rootsIn(block.facts)) {
      if (!known.knowsActivity(root) && !activities.has(root)) activities.set(root, await facts.reader.active(facts.contracts, root, header.hash, header.time))
    }
  }
  return { kind: 'blocks', onto: headers[0]!.parentHash, blocks, activities }
}

/** One block with what it says. */
export async function readBlock(l1: L1, facts: FactReader, { logsBloom, ...header }: Header): Promise<Block> {
  const logs = facts.mayMatter(logsBloom) ? await l1.logs({ blockHash: header.hash }, facts.addresses) : []
  return { ...header, facts: (await facts.facts(logs)).map(({ fact }) => fact) }
}

/** The operators that posts among these facts name. */
export function rootsIn(facts: readonly Fact[]): ReadonlySet<Hex> {
  return new Set(facts.flatMap(fact => fact.kind === 'posted' ? fact.slots?.map(({ root }) => root) ?? [] : []))
}

/**
 * In the packed generation an operator's standing follows from several contracts, of which not all are listened to: it is asked for with each
 * block, of the operators of the present and of the next posted slot.
 */
class Coming {
  readonly #posts = new Map<number, readonly PostedSlot[] | undefined>()
  readonly #active = new Map<Hex, boolean | undefined>()

  /** `onto`: where it is not the newest block, what is known of operators may come from orphaned ones. */
  constructor(private readonly facts: FactReader, private readonly known: Known, private readonly clock: SlotClock, private readonly onto: Hex) {}

  /** The block, with what has changed as of it. */
  async with(block: Block): Promise<Block> {
    for (const fact of block.facts) {
      if (fact.kind === 'posted') this.#posts.set(fact.epoch, fact.slots)
      if (fact.kind === 'activity') this.#active.set(fact.root, fact.active)
    }
    const epoch = this.clock.epochOf(block.time)
    const coming = [...this.#slots(epoch), ...this.#slots(epoch + EPOCH)].filter(({ time }) => time >= block.time).slice(0, 2)
    const roots = [...new Set(coming.map(({ root }) => root))]
    const { contracts, reader } = this.facts
    const active = await inTurn(roots, roots.length, async root => reader.active(contracts, root, block.hash, block.time))
    const changed = roots.flatMap((root, index) => active[index] === this.#activeBefore(root, block.time) ? [] : [{ kind: 'activity' as const, root, active: active[index] }])
    for (const { root, active: its } of changed) this.#active.set(root, its)
    return { ...block, facts: [...block.facts, ...changed] }
  }

  #slots(epoch: number): readonly PostedSlot[] {
    return (this.#posts.has(epoch) ? this.#posts.get(epoch) : this.known.posted(epoch)?.slots) ?? []
  }

  #activeBefore(root: Hex, time: number): boolean | undefined {
    if (this.#active.has(root)) return this.#active.get(root)
    return this.onto === this.known.head.hash ? this.known.activeAt(root, time) : undefined
  }
}

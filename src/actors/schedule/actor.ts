import { actor } from '../kernel/index.js'
import type { Context, Deferral, Port } from '../kernel/index.js'
import type { Store } from '../store/ingress.js'
import { changedBy, changedByTime, together } from './changes.js'
import type { Range } from './changes.js'
import type { ScheduleConfig } from './config.js'
import type { Endpoints } from './endpoints.js'
import { ScheduleError } from './errors.js'
import type { Header, Hex, Operator } from './facts.js'
import { figuresOf } from './figures.js'
import type { Counters } from './figures.js'
import { look } from './following.js'
import type { Step } from './following.js'
import { missingFor } from './history.js'
import type { Missing, Read } from './history.js'
import { scheduleMailbox } from './ingress.js'
import type { ScheduleEvent, ScheduleMessage, WindowRow } from './ingress.js'
import type { Place } from './loading.js'
import { openEndpoints, openL1 } from './opening.js'
import type { Kept, Opened, Reading } from './opening.js'
import { Keeper } from './keeping.js'
import { randomnessOf } from './record.js'
import type { OpenRpc } from './rpc.js'
import { EPOCH, SLOT } from './time.js'
import { endsOf, rowsOf } from './table.js'
import type { Followed, ScheduleView } from './view.js'
import { wakeBy } from './waking.js'

export interface ScheduleNeeds {
  readonly store: Pick<Store, 'meta' | 'setMeta'>
  readonly events: Port<ScheduleEvent>
  /** Made before the tree starts; outlives the incarnations of this actor. */
  readonly view: ScheduleView
  /** How endpoints are reached. Left out: over HTTP. */
  readonly open?: OpenRpc | undefined
}

/** What once an epoch the contracts say themselves. */
interface Word { readonly epoch: number; readonly checker: string; readonly operator: Operator | undefined; readonly finalized: Header | undefined }

type Internal =
  | { readonly type: 'opened'; readonly opened: Opened }
  | { readonly type: 'looked'; readonly step: Step }
  | { readonly type: 'lookFailed'; readonly error: unknown }
  | { readonly type: 'read'; readonly read: Read }
  | { readonly type: 'readFailed'; readonly error: unknown }
  | { readonly type: 'checked'; readonly word: Word; readonly head: Hex }
  | { readonly type: 'notChecked'; readonly error: unknown }
  | { readonly type: 'kept' }
  | { readonly type: 'notKept'; readonly error: unknown }

type Timers = 'look' | 'second'
type Ctx = Context<ScheduleMessage, Internal, Timers>

interface State {
  readonly endpoints: Endpoints
  readonly counters: Counters
  readonly keeper: Keeper
  /** What was finalized when it was kept last: what a new start stands on. */
  kept: Kept | undefined
  reading: Reading | undefined
  /** The first block that was read for good, and the first one that was followed. */
  lowest: Place
  followedFrom: Place
  looking: boolean
  readingPast: boolean
  checking: boolean
  /** The epoch that the contracts were asked about last. */
  checkedEpoch: number | undefined
  /** Looks since the last new block. */
  misses: number
  failures: number
  failing: unknown
  readonly tables: { time: number; readonly answer: Deferral<readonly WindowRow[]> }[]
}

/** Looks that come quickly after a block was due. */
const QUICK_LOOKS = 4
/** Tables that are waited for. */
const MAX_TABLES = 16

/**
 * Follows the election schedule on L1 (docs/schedule.md). What L1 says is in `L1Record`, what follows from it in `Windows`, and both are
 * read at once through the view; here are time, mail, and one read of L1 at a time of each kind.
 */
export const schedule = (needs: ScheduleNeeds, config: ScheduleConfig) => actor<ScheduleMessage, State, Internal, Timers>({
  name: 'schedule',
  mailbox: scheduleMailbox,
  async init(ctx) {
    const keeper = new Keeper(needs.store, config)
    const [endpoints, kept] = await Promise.all([openEndpoints(config, ctx, needs.open), needs.view.last === undefined ? keeper.read(ctx) : keptOf(needs.view.last)])
    const state: State = {
      endpoints, keeper, kept, counters: { reorgs: 0, behind: 0, mismatches: 0 }, reading: undefined, lowest: NOWHERE, followedFrom: NOWHERE,
      looking: false, readingPast: false, checking: false, checkedEpoch: undefined, misses: 0, failures: 0, failing: undefined, tables: [],
    }
    needs.view.connect(window => { void ctx.self.send({ type: 'wanted', window }) })
    wakeBy(config.wakers, ctx, () => { if (!state.looking) lookNow(state, needs, config, ctx) })
    ctx.every('second', 1_000)
    lookNow(state, needs, config, ctx)
    return state
  },
  receive: {
    wanted(state, _message, ctx) { readPast(state, needs, config, ctx) },
    figures: ({ endpoints, counters, failing }, _message, ctx) => figuresOf(needs.view, endpoints, counters, failing, ctx.clock.now()),
    windows(state, { time }, ctx) {
      if (state.tables.length >= MAX_TABLES) return ctx.refuse(new ScheduleError('bad_config', 'as many tables are waited for already', MAX_TABLES))
      return ctx.defer<readonly WindowRow[]>(answer => {
        state.tables.push({ time: time ?? NaN, answer })
        serveTables(state, needs, config, ctx)
      })
    },
  },
  internal: {
    opened(state, { opened }, ctx) {
      const { view } = needs
      const before = view.last
      const { reading, record, lowest } = opened
      state.looking = false
      state.reading = reading
      state.lowest = state.followedFrom = lowest
      state.checkedEpoch = undefined
      const { fresh } = view
      view.show({ chainId: reading.chainId, contracts: reading.contracts, record }, isFresh(record.head, config, ctx))
      if (view.fresh !== fresh) tellFresh(needs, ctx)
      if (before?.contracts.checker !== reading.contracts.checker) {
        const { checker, variant } = reading.contracts
        ctx.log.info({ variant, checker, chainId: String(reading.chainId), head: record.head.number }, 'who may sign is read from L1')
        void needs.events.send({ type: 'scheduleContracts', from: before?.contracts.checker, to: checker, variant })
      }
      wentWell(state, ctx)
      announce({ from: 0, to: record.clock.epochOf(record.head.time) + 4 * EPOCH }, needs)
      served(state, needs, config, ctx)
      lookLater(state, true, needs, config, ctx)
    },
    looked(state, { step }, ctx) {
      state.looking = false
      wentWell(state, ctx)
      follow(state, step, needs, config, ctx)
      lookLater(state, step.kind === 'blocks', needs, config, ctx)
    },
    lookFailed(state, { error }, ctx) {
      state.looking = false
      state.failing = error
      if (state.failures++ === 0) ctx.log.warn({ error }, 'L1 could not be read; it is tried again')
      if (error instanceof ScheduleError && error.code === 'deep_reorg') {
        state.counters.reorgs++
        state.reading = undefined
      }
      ctx.after('look', Math.min(config.retryFirst * 2 ** Math.min(state.failures - 1, 16), config.retryLast) * (0.5 + ctx.random() / 2))
    },
    read(state, { read }, ctx) {
      state.readingPast = false
      const followed = needs.view.last
      if (followed !== undefined && read.of === followed.record) {
        const { past, roots } = read
        if (past !== undefined) {
          followed.record.prepend(past.since, past.facts, past.activeNow)
          state.lowest = past.lowest
        }
        for (const { epoch, root } of roots) followed.record.setRoot(epoch, root)
        show(needs, config, ctx)
      }
      served(state, needs, config, ctx)
    },
    readFailed(state, { error }, ctx) {
      state.readingPast = false
      ctx.log.warn({ error }, 'the past of L1 could not be read')
      needs.view.giveUp()
      for (const { answer } of state.tables.splice(0)) answer.reject(error)
    },
    checked(state, { word, head }, ctx) {
      state.checking = false
      takeWord(state, word, head, needs, config, ctx)
    },
    notChecked(state, { error }, ctx) {
      state.checking = false
      state.checkedEpoch = undefined
      ctx.log.debug({ error }, 'the contracts could not be asked')
    },
    kept({ keeper }) { keeper.written() },
    notKept({ keeper }, { error }, ctx) { if (keeper.failed()) ctx.log.error({ error }, 'what L1 has said is not on disk; it is tried again with the next epoch') },
  },
  timers: {
    look(state, ctx) { lookNow(state, needs, config, ctx) },
    second(_state, ctx) { watchFreshness(needs, config, ctx) },
  },
  stop({ tables }) {
    needs.view.connect(undefined)
    for (const { answer } of tables) answer.reject(new ScheduleError('not_there', 'L1 is not followed any more'))
  },
})

/** What the last incarnation knew, but for the blocks that a reorg may take back. */
function keptOf({ record, contracts, chainId }: Followed): Kept {
  return { ...record.settled(record.blocks[0]!.time), chainId, contracts, genesis: record.clock.genesis }
}

const NOWHERE: Place = { number: 0, time: 0 }

const isFresh = ({ time }: { readonly time: number }, config: ScheduleConfig, ctx: Ctx): boolean => ctx.clock.now() - time * 1_000 <= config.staleAfter

/** One look at a time, or one opening. */
function lookNow(state: State, needs: ScheduleNeeds, config: ScheduleConfig, ctx: Ctx): void {
  if (state.looking) return
  state.looking = true
  const { reading, endpoints } = state
  const { last } = needs.view
  const counts = (header: Header): boolean => isFresh(header, config, ctx)
  const failed = (error: unknown) => ({ type: 'lookFailed' as const, error })
  if (reading === undefined || last === undefined) {
    ctx.pipe(openL1(config, endpoints, state.kept, counts), { ok: opened => ({ type: 'opened', opened }), failed })
    return
  }
  const { quorum, maxReorg, confirmations } = config
  ctx.pipe(look(reading.l1, reading.facts, last.record, reading.clock, { tag: confirmations, quorum, maxReorg, counts }), { ok: step => ({ type: 'looked', step }), failed })
}

/** When the next block is due, then quickly, then at leisure. A subscription looks by itself. */
function lookLater(state: State, found: boolean, needs: ScheduleNeeds, config: ScheduleConfig, ctx: Ctx): void {
  state.misses = found ? 0 : state.misses + 1
  const head = needs.view.last?.record.head
  const due = head === undefined ? 0 : (head.time + SLOT) * 1_000 + config.pollSoon - ctx.clock.now()
  const pause = state.misses < QUICK_LOOKS ? config.pollSoon : config.pollEvery
  ctx.after('look', Math.max(pause, Math.min(due, SLOT * 1_000)))
}

function wentWell(state: State, ctx: Ctx): void {
  if (state.failures > 0) ctx.log.info({ failures: state.failures }, 'L1 is read again')
  state.failures = 0
  state.failing = undefined
}

/** Applies what a look has found, at once and as a whole. */
function follow(state: State, step: Step, needs: ScheduleNeeds, config: ScheduleConfig, ctx: Ctx): void {
  const { last } = needs.view
  if (step.kind === 'behind') state.counters.behind++
  if (step.kind !== 'blocks' || last === undefined) return
  const { record } = last
  const before = record.head.time
  const dropped = record.take(step)
  record.forgetBefore(record.clock.epochOf(record.head.time) - Math.ceil(config.history / 1_000 / EPOCH) * EPOCH - 2 * EPOCH)
  if (dropped.length > 0) {
    state.counters.reorgs++
    state.checkedEpoch = undefined
    ctx.log.warn({ depth: dropped.length, head: record.head.number }, 'L1 reorg')
    void needs.events.send({ type: 'scheduleReorg', depth: dropped.length, head: record.head.number })
  }
  if (step.blocks.some(({ facts }) => facts.some(({ kind }) => kind === 'added' || kind === 'removed'))) state.checkedEpoch = undefined
  show(needs, config, ctx)
  const range = together(changedBy([...dropped, ...step.blocks], record.clock), changedByTime(Math.min(before, step.blocks[0]!.time), record.head.time, record.clock))
  if (range !== undefined) announce(range, needs)
  served(state, needs, config, ctx)
}

function show(needs: ScheduleNeeds, config: ScheduleConfig, ctx: Ctx): void {
  const { last, fresh } = needs.view
  if (last !== undefined) needs.view.show(last, isFresh(last.record.head, config, ctx))
  if (needs.view.fresh !== fresh) tellFresh(needs, ctx)
}

function announce({ from, to }: Range, { view }: ScheduleNeeds): void { view.changed(from, to) }

/** Whoever waited is answered, or more is read for; and once an epoch the contracts are asked. */
function served(state: State, needs: ScheduleNeeds, config: ScheduleConfig, ctx: Ctx): void {
  needs.view.serve()
  serveTables(state, needs, config, ctx)
  readPast(state, needs, config, ctx)
  checkContracts(state, needs, config, ctx)
}

function watchFreshness(needs: ScheduleNeeds, config: ScheduleConfig, ctx: Ctx): void {
  const { last, fresh } = needs.view
  if (last === undefined || isFresh(last.record.head, config, ctx) === fresh) return
  show(needs, config, ctx)
  const epoch = last.record.clock.epochOf(last.record.head.time)
  announce({ from: epoch, to: epoch + EPOCH }, needs)
}

function tellFresh({ view, events }: ScheduleNeeds, ctx: Ctx): void {
  const { fresh, last } = view
  if (fresh) ctx.log.info({ head: last?.record.head.number }, 'L1 is followed')
  else ctx.log.warn({ head: last?.record.head.number }, 'L1 is not followed: its newest block is too old')
  void events.send({ type: 'scheduleFresh', fresh, reason: fresh ? undefined : 'the newest block of L1 is too old' })
}

/** Reads for those who wait, one read at a time. */
function readPast(state: State, needs: ScheduleNeeds, config: ScheduleConfig, ctx: Ctx): void {
  const { reading, readingPast, lowest, followedFrom } = state
  const { last, oldest, windows } = needs.view
  if (readingPast || reading === undefined || last === undefined) return
  const tables = windows === undefined ? [] : state.tables.filter(({ time }) => time >= oldest).flatMap(({ time }) => endsOf(time, last.record, windows))
  const wanted = [...needs.view.waiting, ...tables]
  const missing: Missing | undefined = windows === undefined || wanted.length === 0 ? undefined : missingFor(wanted, last.record, windows, config.handoverSlots > 0)
  if (missing === undefined) {
    if (wanted.length > 0) needs.view.giveUp()
    return
  }
  state.readingPast = true
  const of = last.record
  const read = async (): Promise<Read> => missing.kind === 'past'
    ? { of, past: await reading.loader.past(of, lowest, missing.until), roots: [] }
    : { of, past: undefined, roots: await reading.loader.roots(missing.epoch, followedFrom, epoch => of.rootAfter(epoch) === undefined) }
  ctx.pipe(read(), { ok: done => ({ type: 'read', read: done }), failed: error => ({ type: 'readFailed', error }) })
}

function serveTables(state: State, needs: ScheduleNeeds, config: ScheduleConfig, ctx: Ctx): void {
  const { view } = needs
  const { last, windows } = view
  if (last === undefined || windows === undefined) return
  for (const table of state.tables) if (Number.isNaN(table.time)) table.time = last.record.head.time
  const open = state.tables.splice(0)
  for (const table of open) {
    if (table.time >= view.oldest && missingFor(endsOf(table.time, last.record, windows), last.record, windows, config.handoverSlots > 0) !== undefined) state.tables.push(table)
    else table.answer.resolve(rowsOf(table.time, last.record, windows, answer => view.addresses(answer) ?? []))
  }
  if (state.tables.length > 0) readPast(state, needs, config, ctx)
}

/** What the contracts say of themselves, once an epoch, and after whatever may have changed it. */
function checkContracts(state: State, needs: ScheduleNeeds, config: ScheduleConfig, ctx: Ctx): void {
  const { reading, checking } = state
  const { last } = needs.view
  if (checking || reading === undefined || last === undefined) return
  const { record } = last
  const epoch = record.clock.epochOf(record.head.time)
  if (state.checkedEpoch === epoch) return
  state.checking = true
  state.checkedEpoch = epoch
  const { hash } = record.head
  const ask = async (): Promise<Word> => {
    const checker = await reading.reader.checker(hash)
    const operator = await reading.reader.electedIn(reading.contracts.whitelist, hash)
    const finalized = await reading.l1.newest('finalized', config.quorum, () => true).catch(() => undefined)
    return { epoch, checker, operator, finalized }
  }
  ctx.pipe(ask(), { ok: word => ({ type: 'checked', word, head: hash }), failed: error => ({ type: 'notChecked', error }) })
}

function takeWord(state: State, { epoch, checker, operator, finalized }: Word, head: Hex, needs: ScheduleNeeds, config: ScheduleConfig, ctx: Ctx): void {
  const { last } = needs.view
  const { reading } = state
  if (last === undefined || reading === undefined) return
  const { record, contracts, chainId } = last
  if (checker !== contracts.checker) {
    ctx.log.warn({ from: contracts.checker, to: checker }, 'the inbox names another proposer checker: L1 is read anew')
    state.reading = undefined
    lookNow(state, needs, config, ctx)
    return
  }
  // a reorg, or another whitelist: it is asked again
  if (state.checkedEpoch !== epoch || record.block(head) === undefined) {
    checkContracts(state, needs, config, ctx)
    return
  }
  const now = record.fallbackAt(epoch)
  if (record.rootAfter(randomnessOf(epoch)) !== undefined && now?.proposer !== operator?.proposer) {
    state.counters.mismatches++
    ctx.log.error({ epoch, expected: now?.proposer, named: operator?.proposer, root: record.rootAfter(randomnessOf(epoch)) }, 'the contract names another fallback than we had reckoned: it is believed')
    void needs.events.send({ type: 'scheduleMismatch', epoch, expected: now?.proposer, named: operator?.proposer })
    record.noteElected(epoch, operator)
    show(needs, config, ctx)
    announce({ from: epoch - EPOCH, to: epoch + 2 * EPOCH }, needs)
  }
  if (finalized === undefined || (finalized.time > record.blocks[0]!.time && record.block(finalized.hash) === undefined)) return
  const kept: Kept = { ...record.settled(Math.min(finalized.time, record.head.time)), chainId, contracts, genesis: record.clock.genesis }
  state.kept = kept
  const write = state.keeper.write(kept)
  if (write !== undefined) ctx.pipe(write, { ok: () => ({ type: 'kept' }), failed: error => ({ type: 'notKept', error }) })
}

import { Finding, MAX_TXLIST_BYTES, SIGNED_COMMITMENT_SIZE, TXLIST_HEADER_SIZE, hasTxListOffset } from '../../protocol/index.js'
import type { BatchEvidence } from '../../protocol/secp256k1/index.js'
import { actor, keep, mailbox } from '../kernel/index.js'
import type { ActorSpec, Context, TimerHandle } from '../kernel/index.js'
import type { ValidatorConfig } from './config.js'
import { Dispatch } from './dispatch.js'
import type { Flight, Outcome } from './dispatch.js'
import { Counters } from './figures.js'
import type { ValidatorFigures } from './figures.js'
import { validatorMailbox } from './ingress.js'
import type { ValidatorMessage } from './ingress.js'
import { Lanes } from './lanes.js'
import type { Entry, LaneName } from './lanes.js'
import { InlineOwnCheck } from './inline-own-check.js'
import { splitPage } from './pages.js'
import { openPool } from './pool.js'
import type { CheckPool, OpenPool } from './pool.js'
import { Settlement } from './settle.js'
import type { CheckedPort } from './settle.js'

export interface ValidatorNeeds {
  /** Where everything goes once it is checked. */
  readonly chain: CheckedPort
  /** Threads of another kind, for tests. */
  readonly openPool?: OpenPool
  /** What judges our own in this thread, for tests. */
  readonly inlineOwnCheck?: InlineOwnCheck
  /** Told when the batch module accepted a signature that recovery does not give to its signer; the module is off by then. */
  readonly onBatchAlarm?: (evidence: BatchEvidence) => void
}

type Inbound =
  | ValidatorMessage
  /** Sent by the actor itself, behind everything that is in the mailbox by now: what came together leaves together. */
  | { readonly type: 'dispatch' }

/** What the pool made of a batch. */
interface Landed { readonly type: 'landed'; readonly flight: Flight; readonly outcome: Outcome }

const inbound = mailbox<Inbound>({
  capacity: validatorMailbox.capacity,
  whenFull: {
    ...validatorMailbox.whenFull,
    dispatch: keep('one at a time, and one for each thread that was replaced'),
  },
})

interface State {
  readonly pool: CheckPool
  readonly lanes: Lanes
  readonly dispatch: Dispatch
  readonly settlement: Settlement
  readonly counters: Counters
  readonly inlineOwnCheck: InlineOwnCheck
  /** Messages of a whole batch. */
  readonly full: number
  /** A `dispatch` is in the mailbox. */
  pending: boolean
  /** When the `linger` timer fires; undefined where it does not run. */
  lingerAt: number | undefined
}

const LINGER = 'linger'

/**
 * The stateless half of SPEC §6: takes bytes, has them checked in a pool of threads, hands them to chain with what was found. (A lone
 * commitment of our own is checked here: `inline-own-check.ts`.)
 *
 * 1. A message whose size alone condemns it goes on at once; any other waits in its lane (`lanes.ts`), or is `overloaded`.
 * 2. A batch leaves when the pool is idle, when it is full, or after a short wait for company (`dispatch.ts`).
 * 3. What comes back goes on (`settle.ts`); a batch whose thread died is tried again and split (`dispatch.ts`).
 */
export const validator = (needs: ValidatorNeeds, config: ValidatorConfig): ActorSpec<Inbound, State, Landed> => actor<Inbound, State, Landed>({
  name: 'validator',
  mailbox: inbound,

  async init(ctx) {
    const pool = await (needs.openPool ?? openPool)({ clock: ctx.clock, log: ctx.log }, config.pool, {
      ready: () => { void ctx.self.send({ type: 'dispatch' }) },
      broken: error => { ctx.fail(error) },
      alarm: evidence => { needs.onBatchAlarm?.(evidence) },
    })
    const counters = new Counters()
    const lanes = new Lanes(config.lanes)
    const settlement = new Settlement(needs.chain, counters)
    const dispatch = new Dispatch(pool, lanes, config.batch, settlement, counters)
    const inlineOwnCheck = needs.inlineOwnCheck ?? new InlineOwnCheck(config.pool)
    return { pool, lanes, dispatch, settlement, counters, inlineOwnCheck, full: config.batch.full, pending: false, lingerAt: undefined }
  },

  receive: {
    commitment(state, { bytes, origin }, ctx) {
      const finding = bytes.length === SIGNED_COMMITMENT_SIZE ? undefined : Finding.undecodable
      if (finding === undefined && origin.kind === 'own' && judgedAtOnce(state, { bytes, origin }, ctx)) return
      admit(state, 'live', { bytes, origin }, finding, ctx)
    },

    txList(state, { bytes, origin }, ctx) {
      admit(state, 'txLists', { bytes, origin }, condemned(bytes), ctx)
    },

    page(state, { bytes, peer, ticket }, ctx) {
      const { entries, whole } = splitPage(bytes, peer, ticket)
      if (entries.length === 0) state.settlement.emptyPage(peer, ticket)
      else if (!whole) state.settlement.unchecked('pages', entries, Finding.undecodable)
      else if (state.lanes.add('pages', entries, ctx.clock.monotonic())) wake(state, ctx)
      else state.settlement.unchecked('pages', entries, Finding.overloaded)
    },

    expectSigners({ pool }, { signers }) { pool.expect(signers) },

    figures: ({ pool, lanes, counters }) => snapshot(pool, lanes, counters, config.pool.threads),

    dispatch(state, _message, ctx) {
      state.pending = false
      pump(state, ctx)
    },
  },

  internal: {
    landed(state, { flight, outcome }, ctx) {
      if ('error' in outcome) {
        ctx.log.warn({ err: outcome.error, messages: flight.batch.entries.length }, 'a batch came back without findings')
      }
      state.dispatch.land(flight, outcome)
      pump(state, ctx)
    },
  },

  timers: {
    [LINGER](state, ctx) {
      state.lingerAt = undefined
      pump(state, ctx)
    },
  },

  async stop({ dispatch, settlement, pool }, ctx, reason) {
    settlement.flush()
    if (reason === 'stop') await drain(dispatch, ctx, config.drainMs)
    dispatch.abandon()
    await pool.close()
  },
})

/** What size and offset alone say of a txlist message: it is not worth its copy. */
function condemned(bytes: Uint8Array): Finding | undefined {
  if (!hasTxListOffset(bytes)) return Finding.undecodable
  return bytes.length > TXLIST_HEADER_SIZE + MAX_TXLIST_BYTES ? Finding.oversize : undefined
}

/** A commitment of ours that comes alone; none overtakes another. */
function judgedAtOnce({ dispatch, lanes, settlement, inlineOwnCheck }: State, entry: Entry, ctx: Context<Inbound, Landed>): boolean {
  if (dispatch.commitmentsUnderWay > 0 || lanes.messages('live') > 0) return false
  const records = inlineOwnCheck.judge(entry.bytes, ctx.clock.monotonic())
  if (records !== undefined) settlement.checked('live', [entry], records)
  return records !== undefined
}

/** Puts a message into its lane, or has it refused. */
function admit(state: State, lane: 'live' | 'txLists', entry: Entry, finding: Finding | undefined, ctx: Context<Inbound, Landed>): void {
  const refusal = finding ?? (state.lanes.add(lane, [entry], ctx.clock.monotonic()) ? undefined : Finding.overloaded)
  wake(state, ctx)
  if (refusal !== undefined) state.settlement.refuse(lane, entry, refusal)
  // A long mailbox is no reason to let the workers idle.
  else if (state.lanes.messages(lane) % state.full === 0) pump(state, ctx)
}

function wake(state: State, ctx: Context<Inbound, Landed>): void {
  if (!state.pending) state.pending = ctx.self.send({ type: 'dispatch' }) !== 'closed'
}

/** Sends off what may leave, and wakes up again for what waits for company. */
function pump(state: State, ctx: Context<Inbound, Landed>): void {
  state.settlement.flush()
  const now = ctx.clock.monotonic()
  for (let flight = state.dispatch.next(now); flight !== undefined; flight = state.dispatch.next(now)) {
    const sent = flight
    ctx.pipe(sent.outcome, {
      ok: outcome => ({ type: 'landed', flight: sent, outcome }),
      failed: error => ({ type: 'landed', flight: sent, outcome: { error } }),
    })
  }
  linger(state, now, ctx)
}

function linger(state: State, now: number, ctx: Context<Inbound, Landed>): void {
  const wait = state.dispatch.wait(now)
  if (wait === undefined || state.lingerAt !== undefined) return
  state.lingerAt = now + wait
  ctx.after(LINGER, wait)
}

/** Runs what is queued and in flight to its end, for so many ms. */
async function drain(dispatch: Dispatch, ctx: Context<Inbound, Landed>, ms: number): Promise<void> {
  let timer: TimerHandle | undefined
  const late = new Promise<'late'>(resolve => { timer = ctx.clock.setTimeout(() => { resolve('late') }, ms) })
  try {
    while (!dispatch.idle) {
      while (dispatch.next(ctx.clock.monotonic(), true) !== undefined) { /* as many as there is room for */ }
      const landings = dispatch.flights.map(flight => flight.outcome.then(outcome => { dispatch.land(flight, outcome) }))
      // Suspects whose replacement thread is not ready yet: nothing to wait for but that.
      if (landings.length === 0 || await Promise.race([late, ...landings]) === 'late') return
    }
  } finally {
    if (timer !== undefined) ctx.clock.clearTimeout(timer)
  }
}

function snapshot(pool: CheckPool, lanes: Lanes, counters: Counters, threads: number): ValidatorFigures {
  const { batches, messages, findings, batchSizes, retried, killers, undelivered } = counters
  const waiting = (lane: LaneName) => ({ messages: lanes.messages(lane), bytes: lanes.bytes(lane) })
  return {
    batches, messages, retried, killers, undelivered,
    findings: { live: { ...findings.live }, pages: { ...findings.pages }, txLists: { ...findings.txLists } },
    batchSizes: [...batchSizes],
    deaths: pool.deaths,
    hung: pool.hung,
    waiting: { live: waiting('live'), pages: waiting('pages'), txLists: waiting('txLists') },
    running: pool.running,
    workers: pool.workers,
    threads,
    together: pool.together,
    degraded: pool.workers.some(({ degraded }) => degraded),
  }
}

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
  /** Receives every message once it is checked. */
  readonly chain: CheckedPort
  /** Opens the pool of threads; replaced in tests. */
  readonly openPool?: OpenPool
  /** Checks our own commitments on the main thread; replaced in tests. */
  readonly inlineOwnCheck?: InlineOwnCheck
  /** Called when the batch module accepted a signature that recovery attributes to another signer. The module is switched off by then. */
  readonly onBatchAlarm?: (evidence: BatchEvidence) => void
}

type Inbound =
  | ValidatorMessage
  /** Sent by the actor to itself, behind the messages that are in the mailbox already, so that they can share a batch. */
  | { readonly type: 'dispatch' }

/** A batch that has come back from the pool. */
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
  /** Number of messages at which a batch leaves without waiting. */
  readonly full: number
  /** Whether a `dispatch` is in the mailbox. */
  pending: boolean
  /** When the `linger` timer fires; `undefined` if it is not set. */
  lingerAt: number | undefined
}

const LINGER = 'linger'

/**
 * The stateless half of SPEC §6: checks messages in a pool of threads, and passes them to chain with the findings. A single commitment of our own
 * is checked on the main thread (`inline-own-check.ts`).
 *
 * 1. A message of an invalid size goes to chain at once. Any other is queued in its lane (`lanes.ts`); if the lane is full it is `overloaded`.
 * 2. A batch leaves when the pool is idle, when it is full, or after `lingerMs` (`dispatch.ts`).
 * 3. Checked messages go to chain (`settle.ts`). A batch whose thread died is retried, then split (`dispatch.ts`).
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

/** The finding that follows from the size and the offset of a txlist message alone, before it is copied. */
function condemned(bytes: Uint8Array): Finding | undefined {
  if (!hasTxListOffset(bytes)) return Finding.undecodable
  return bytes.length > TXLIST_HEADER_SIZE + MAX_TXLIST_BYTES ? Finding.oversize : undefined
}

/** Whether a commitment is our own and nothing is queued or in flight before it. */
function judgedAtOnce({ dispatch, lanes, settlement, inlineOwnCheck }: State, entry: Entry, ctx: Context<Inbound, Landed>): boolean {
  if (dispatch.commitmentsUnderWay > 0 || lanes.messages('live') > 0) return false
  const records = inlineOwnCheck.judge(entry.bytes, ctx.clock.monotonic())
  if (records !== undefined) settlement.checked('live', [entry], records)
  return records !== undefined
}

/** Queues a message in its lane, or refuses it. */
function admit(state: State, lane: 'live' | 'txLists', entry: Entry, finding: Finding | undefined, ctx: Context<Inbound, Landed>): void {
  const refusal = finding ?? (state.lanes.add(lane, [entry], ctx.clock.monotonic()) ? undefined : Finding.overloaded)
  wake(state, ctx)
  if (refusal !== undefined) state.settlement.refuse(lane, entry, refusal)
  // Dispatch before the mailbox is empty, so that no worker idles behind a long mailbox.
  else if (state.lanes.messages(lane) % state.full === 0) pump(state, ctx)
}

function wake(state: State, ctx: Context<Inbound, Landed>): void {
  if (!state.pending) state.pending = ctx.self.send({ type: 'dispatch' }) !== 'closed'
}

/** Sends the batches that may leave, and sets the timer for those that still wait for more messages. */
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

/** Checks what is queued and in flight, for at most `ms` milliseconds. */
async function drain(dispatch: Dispatch, ctx: Context<Inbound, Landed>, ms: number): Promise<void> {
  let timer: TimerHandle | undefined
  const late = new Promise<'late'>(resolve => { timer = ctx.clock.setTimeout(() => { resolve('late') }, ms) })
  try {
    while (!dispatch.idle) {
      while (dispatch.next(ctx.clock.monotonic(), true) !== undefined) { /* as many as there is room for */ }
      const landings = dispatch.flights.map(flight => flight.outcome.then(outcome => { dispatch.land(flight, outcome) }))
      // Nothing is in flight: only suspect batches are left, whose replacement thread is not ready.
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

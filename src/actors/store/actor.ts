import { actor, keep, mailbox } from '../kernel/index.js'
import type { Context, Later, Port } from '../kernel/index.js'
import type { Chain } from '../chain/ingress.js'
import type { Answers } from '../chain/ports.js'
import type { Database, Opened } from './database.js'
import { storeErrorOf } from './errors.js'
import type { StoreError } from './errors.js'
import { storeMailbox } from './ingress.js'
import type { Restored, StoreMessage } from './ingress.js'
import { commitmentsBody, txListBody } from './serving.js'
import { WriteQueue } from './write-queue.js'

/** What the node hears of its store (H33). */
export type StoreEvent =
  | { readonly type: 'storeFailing'; readonly code: string; readonly message: string }
  | { readonly type: 'storeRecovered' }

export interface StoreNeeds {
  /** Acknowledges writes to chain. */
  readonly chain: Pick<Chain, 'durable' | 'storeReady'>
  readonly answers: Answers
  readonly events: Port<StoreEvent>
  /** Makes the database: the one in its thread, or the one in memory. */
  readonly database: () => Database
}

type Internal =
  | { readonly type: 'committed'; readonly sequence: number }
  | { readonly type: 'commitFailed'; readonly error: StoreError }
  | { readonly type: 'reopened' }
  | { readonly type: 'reopenFailed'; readonly error: StoreError }
  | { readonly type: 'answered'; readonly request: number; readonly body: Uint8Array }
type Received = StoreMessage | Internal

/**
 * `awaiting_resume`: just started; writes in the mailbox may lack those before them, and chain sends all of them again.
 * `running`: writes go to disk as they come. `draining`: one failed; the others under way end first. `paused`: until the next try.
 */
type Phase = 'awaiting_resume' | 'running' | 'draining' | 'paused'

interface State {
  readonly database: Database
  /** False where everything is kept in memory only. */
  readonly durable: boolean
  /** As chain last wrote them. */
  anchor: Pick<Opened, 'confirmedTip' | 'headOverride'>
  readonly writes: WriteQueue
  phase: Phase
  failing: StoreError | undefined
  retryMs: number
  /** Run when the queue is empty, or cannot empty. */
  waitingForQueue: (() => void)[]
}

/** Pauses between tries after a failure, ms: doubled from the first to the last. */
const FIRST_RETRY = 200
const LAST_RETRY = 10_000

const receivedMailbox = mailbox<Received>({
  capacity: storeMailbox.capacity,
  whenFull: {
    ...storeMailbox.whenFull,
    committed: keep('one a batch under way'),
    commitFailed: keep('one a batch under way'),
    reopened: keep('one try at a time'),
    reopenFailed: keep('one try at a time'),
    answered: keep('one an inbound request, whose number the network bounds'),
  },
})

/**
 * Owns the database, and outlives its failures: after a full disk or a dead thread it tries again with growing pauses, writes wait
 * meanwhile, and chain hears `durable` only of what is on disk (H33). Only an `open` that fails at start fails the actor.
 */
export const store = ({ chain, answers, events, database: make }: StoreNeeds) => {
  const pump = (state: State, ctx: Context<Received>) => {
    while (state.phase === 'running') {
      const next = state.writes.take()
      if (next === undefined) break
      const { sequence, batch } = next
      ctx.pipe(state.database.commit({ ...batch, sequence }), {
        ok: () => ({ type: 'committed', sequence }),
        failed: error => ({ type: 'commitFailed', error: storeErrorOf(error, 'commit') }),
      })
    }
    if (state.writes.length === 0 || state.failing !== undefined) state.waitingForQueue.splice(0).forEach(go => go())
  }
  const pauseWhenIdle = (state: State, ctx: Context<Received>) => {
    if (state.phase !== 'draining' || !state.writes.idle) return
    state.phase = 'paused'
    ctx.after('retry', state.retryMs)
    state.retryMs = Math.min(state.retryMs * 2, LAST_RETRY)
  }
  const runAgain = (state: State, ctx: Context<Received>) => {
    state.phase = 'running'
    state.writes.takeAgain()
    pump(state, ctx)
  }
  const failed = (state: State, error: StoreError, ctx: Context<Received>) => {
    if (state.failing?.code !== error.code) {
      ctx.log.error({ code: error.code, error }, 'cannot store now; what waits is tried again')
      void events.send({ type: 'storeFailing', code: error.code, message: error.message })
    }
    state.failing = error
    state.phase = 'draining'
    pauseWhenIdle(state, ctx)
    pump(state, ctx)
  }
  const asked = <T>(ctx: Context<Received>, reading: Promise<T>): Later<T> =>
    ctx.later(reading.catch((error: unknown) => { throw storeErrorOf(error, 'read') }))
  const serve = (ctx: Context<Received>, request: number, body: Promise<Uint8Array>, empty: Uint8Array) => {
    ctx.pipe(body, {
      ok: body => ({ type: 'answered', request, body }),
      // While the disk does not answer, who asks gets what a node without data gives.
      failed: () => ({ type: 'answered', request, body: empty }),
    })
  }
  const restore = async (state: State, tail: number, pending: number): Promise<Restored> => {
    if (state.writes.length > 0 && state.failing === undefined) await new Promise<void>(resolve => state.waitingForQueue.push(resolve))
    const { database, durable, anchor } = state
    const [tailPage, pendingPage, stats] = await Promise.all([database.tail(tail), database.pending(pending), database.stats()])
    return { durable, ...anchor, tail: tailPage, pending: pendingPage, stats }
  }

  return actor<Received, State>({
    name: 'store',
    mailbox: receivedMailbox,
    async init(ctx) {
      const database = make()
      const { durable, confirmedTip, headOverride, droppedBytes, stats } = await database.open()
      if (droppedBytes > 0) ctx.log.warn({ droppedBytes }, 'an unfinished write of an earlier run was dropped')
      ctx.log.info({ durable, commitments: stats.commitments, txLists: stats.txLists }, 'the store is open')
      void chain.storeReady()
      return { database, durable, anchor: { confirmedTip, headOverride }, writes: new WriteQueue(), phase: 'awaiting_resume', failing: undefined, retryMs: FIRST_RETRY, waitingForQueue: [] }
    },
    receive: {
      resume(state, _message, ctx) {
        if (state.phase === 'awaiting_resume') runAgain(state, ctx)
      },
      write(state, { sequence, batch }, ctx) {
        if (state.phase === 'awaiting_resume') return
        state.writes.push(sequence, batch)
        const { confirmedTip = state.anchor.confirmedTip, headOverride = state.anchor.headOverride } = batch
        state.anchor = { confirmedTip: confirmedTip ?? undefined, headOverride: headOverride ?? undefined }
        pump(state, ctx)
      },
      committed(state, { sequence }, ctx) {
        const upTo = state.writes.durable(sequence)
        if (upTo !== undefined) void chain.durable(upTo)
        if (state.phase === 'running' && state.failing !== undefined) {
          ctx.log.info({ was: state.failing.code }, 'storing again')
          void events.send({ type: 'storeRecovered' })
          state.failing = undefined
          state.retryMs = FIRST_RETRY
        }
        pauseWhenIdle(state, ctx)
        pump(state, ctx)
      },
      commitFailed(state, { error }, ctx) {
        state.writes.failed()
        failed(state, error, ctx)
      },
      reopened: (state, _message, ctx) => runAgain(state, ctx),
      reopenFailed: (state, { error }, ctx) => failed(state, error, ctx),
      serveCommitments({ database }, { request, start, max }, ctx) {
        serve(ctx, request, database.canonicalRange(start, max).then(commitmentsBody), commitmentsBody(new Uint8Array(0)))
      },
      serveTxList({ database }, { request, hash }, ctx) {
        serve(ctx, request, database.txList(hash).then(bytes => txListBody(hash, bytes)), txListBody(hash, undefined))
      },
      answered(_state, { request, body }) { void answers.send({ type: 'answer', request, body }) },
      restore: (state, { tail, pending }, ctx) => asked(ctx, restore(state, tail, pending)),
      page: ({ database }, { start, max }, ctx) => asked(ctx, database.canonicalRange(start, max)),
      scan: ({ database }, { from, max, after }, ctx) => asked(ctx, database.scan(from, max, after)),
      tail: ({ database }, { count }, ctx) => asked(ctx, database.tail(count)),
      commitment: ({ database }, { hash }, ctx) => asked(ctx, database.commitmentByHash(hash)),
      txList: ({ database }, { hash }, ctx) => asked(ctx, database.txList(hash)),
      hasTxLists: ({ database }, { hashes }, ctx) => asked(ctx, database.hasTxLists(hashes)),
      missingTxLists: ({ database }, { from, max }, ctx) => asked(ctx, database.missingTxLists(from, max)),
      recordSigned: ({ database }, { record }, ctx) => asked(ctx, database.recordSigned(record)),
      ownSigned: ({ database }, { signer, submissionWindowEnd }, ctx) => asked(ctx, database.ownSigned(signer, submissionWindowEnd)),
      evidence: ({ database }, { from, max }, ctx) => asked(ctx, database.evidence(from, max)),
      meta: ({ database }, { name }, ctx) => asked(ctx, database.meta(name)),
      setMeta: ({ database }, { name, value }, ctx) => asked(ctx, database.commit({ meta: [{ name, value }] })),
      standing: (state, _message, ctx) => asked(ctx, state.database.stats().then(stats => ({
        durable: state.durable,
        stats,
        waiting: state.writes.length,
        failing: state.failing === undefined ? undefined : { code: state.failing.code, message: state.failing.message },
      }))),
    },
    timers: {
      retry(state, ctx) {
        const code = state.failing?.code
        if (code !== 'thread_died' && code !== 'closed' && code !== 'timeout') {
          runAgain(state, ctx)
          return
        }
        ctx.pipe(state.database.open(), {
          ok: () => ({ type: 'reopened' }),
          failed: error => ({ type: 'reopenFailed', error: storeErrorOf(error, 'open again') }),
        })
      },
    },
    async stop({ database }) { await database.close() },
  })
}

import { actor, keep, mailbox } from '../kernel/index.js'
import type { Context, Later, Port } from '../kernel/index.js'
import type { Chain } from '../chain/ingress.js'
import type { Answers } from '../chain/ports.js'
import type { Database, Discarded, Loss, Opened, SignedWindow, Stats } from './database.js'
import { toHex } from '../../protocol/hex.js'
import { storeErrorOf } from './errors.js'
import type { StoreError } from './errors.js'
import { healing } from './healing.js'
import { storeMailbox } from './ingress.js'
import type { Restored, StoreMessage, StoreStanding } from './ingress.js'
import { commitmentsBody, txListBody } from './serving.js'
import { WriteQueue } from './write-queue.js'

/** What the node hears of its store (H33). */
export type StoreEvent =
  | { readonly type: 'storeFailing'; readonly code: string; readonly message: string }
  | { readonly type: 'storeRecovered' }
  /** A record was damaged, and is gone: it is fetched again where others have it (H60). */
  | { readonly type: 'recordDamaged'; readonly kind: Discarded['kind']; readonly hash: Uint8Array | undefined; readonly blockNumber: bigint | undefined }
  /** What was said to be stored is missing: nothing is signed for windows that end at or before `signingClosedUpTo` (SPEC §7). */
  | { readonly type: 'recordsLost'; readonly what: Loss['what']; readonly signingClosedUpTo: bigint }

export interface StoreNeeds {
  /** Acknowledges writes to chain. */
  readonly chain: Pick<Chain, 'durable' | 'storeReady' | 'lostTxList'>
  readonly answers: Answers
  readonly events: Port<StoreEvent>
  /** Makes the database: the one in its thread, which calls `died` when that ends by itself, or the one in memory. */
  readonly database: (died: (error: StoreError) => void) => Database
}

type Internal =
  | { readonly type: 'committed'; readonly sequence: number }
  | { readonly type: 'commitFailed'; readonly error: StoreError }
  | { readonly type: 'died'; readonly error: StoreError }
  | { readonly type: 'reopened' }
  | { readonly type: 'reopenFailed'; readonly error: StoreError }
  | { readonly type: 'answered'; readonly request: number; readonly body: Uint8Array }
type Received = StoreMessage | Internal

/** `running`: writes go to disk as they come. `draining`: one failed; the others under way end first. `paused`: until the next try. */
type Phase = 'running' | 'draining' | 'paused'

interface State {
  readonly database: Database
  /** False where everything is kept in memory only. */
  readonly durable: boolean
  readonly writes: WriteQueue
  /** False just after the start: writes in the mailbox may lack those before them, and chain sends all of them again. */
  resumed: boolean
  phase: Phase
  failing: StoreError | undefined
  /** The database is not open: its thread has ended. */
  lost: boolean
  retryMs: number
  /** As last read. */
  stats: Stats
  /** Waits for the next end of the thread. */
  readonly awaitDeath: () => void
  /** Run when everything up to that sequence is durable, or cannot become so now. */
  waitingForQueue: { readonly upTo: number; readonly go: () => void }[]
}

/** What a commit fails with when the database has to be opened again. */
const LOST: ReadonlySet<StoreError['code']> = new Set<StoreError['code']>(['thread_died', 'closed', 'timeout'])

/** Pauses between tries after a failure, ms: doubled from the first to the last. */
const FIRST_RETRY = 200
const LAST_RETRY = 10_000

const receivedMailbox = mailbox<Received>({
  capacity: storeMailbox.capacity,
  whenFull: {
    ...storeMailbox.whenFull,
    committed: keep('one a batch under way'),
    commitFailed: keep('one a batch under way'),
    died: keep('one an end of the thread'),
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
  const tellLoss = ({ what, closedUpTo }: Loss, ctx: Context<Received>) => {
    ctx.log.error({ what, signingClosedUpTo: String(closedUpTo) }, 'what was said to be stored is missing; nothing is signed for windows that may have been open: see docs/operating-store.md')
    void events.send({ type: 'recordsLost', what, signingClosedUpTo: closedUpTo })
  }
  const tellDamage = (discarded: readonly Discarded[], ctx: Context<Received>) => {
    for (const { kind, hash, blockNumber } of discarded) {
      ctx.log.error({ kind, hash: hash === undefined ? undefined : toHex(hash), blockNumber: blockNumber?.toString() }, 'a damaged record was dropped')
      void events.send({ type: 'recordDamaged', kind, hash, blockNumber })
      if (kind === 'txList' && hash !== undefined) void chain.lostTxList(hash, blockNumber)
    }
  }
  const tellOpened = ({ loss, discarded, unknownFiles, droppedBytes }: Opened, ctx: Context<Received>) => {
    if (droppedBytes > 0) ctx.log.warn({ droppedBytes }, 'part of the log could not be read and was dropped')
    if (unknownFiles.length > 0) ctx.log.info({ files: unknownFiles.slice(0, 16) }, 'what lies in the folder of the database and is not of it is left alone')
    if (loss !== undefined) tellLoss(loss, ctx)
    tellDamage(discarded, ctx)
  }
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
    const waiting = state.waitingForQueue
    if (waiting.length === 0) return
    const mayGo = ({ upTo }: { readonly upTo: number }): boolean => state.failing !== undefined || state.writes.isDurable(upTo)
    state.waitingForQueue = waiting.filter(each => !mayGo(each))
    for (const each of waiting) if (mayGo(each)) each.go()
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
  const recovered = (state: State, ctx: Context<Received>) => {
    if (state.failing === undefined) return
    ctx.log.info({ was: state.failing.code }, 'storing again')
    void events.send({ type: 'storeRecovered' })
    state.failing = undefined
    state.retryMs = FIRST_RETRY
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
  const standing = async (state: State): Promise<StoreStanding> => {
    let unreadable: StoreError | undefined
    try {
      state.stats = await state.database.stats()
    } catch (error) {
      unreadable = storeErrorOf(error, 'read')
    }
    const failing = state.failing ?? unreadable
    return {
      durable: state.durable,
      stats: state.stats,
      readable: unreadable === undefined,
      waiting: state.writes.length,
      failing: failing === undefined ? undefined : { code: failing.code, message: failing.message },
    }
  }
  /** Until what is queued by now is durable, or cannot become so. */
  const queueWritten = async (state: State): Promise<void> => {
    const upTo = state.writes.newest
    if (upTo !== undefined && state.failing === undefined) await new Promise<void>(go => { state.waitingForQueue.push({ upTo, go }) })
  }
  /** What is queued counts as signed too: while it cannot be stored, nobody can say what we signed. */
  const signedWindow = async (state: State, signer: Uint8Array, window: bigint): Promise<SignedWindow> => {
    await queueWritten(state)
    if (state.failing !== undefined && state.writes.length > 0) throw state.failing
    const records = await state.database.ownSigned(signer, window)
    // Read after the records: what was pruned or lost meanwhile is below it.
    return { records, closedUpTo: (await state.database.stats()).signing.closedUpTo }
  }
  const restore = async (state: State, tail: number, beside: number): Promise<Restored> => {
    await queueWritten(state)
    const { database, durable } = state
    const [record, tailPage, besidePage, stats] = await Promise.all([database.chainRecord(), database.tail(tail), database.beside(beside), database.stats()])
    return { durable, ...record, tail: tailPage, beside: besidePage, stats }
  }

  return actor<Received, State>({
    name: 'store',
    mailbox: receivedMailbox,
    async init(ctx) {
      let tell: (error: StoreError) => void = () => undefined
      const found = (discarded: readonly Discarded[]) => { tellDamage(discarded, ctx) }
      const database = healing(make(error => { tell(error) }), found)
      const opened = await database.open()
      tellOpened(opened, ctx)
      const { durable, migratedFrom, schema, stats } = opened
      if (migratedFrom !== undefined) ctx.log.info({ from: migratedFrom, to: schema }, 'the database was of an older schema and has been brought to the present one')
      ctx.log.info({ durable, commitments: stats.commitments, txLists: stats.txLists }, 'the store is open')
      void chain.storeReady()
      // By the way of what the database answers, so that each death is known before the next try to open it.
      const awaitDeath = () => ctx.pipe(new Promise<StoreError>(resolve => { tell = resolve }), {
        ok: error => ({ type: 'died', error }),
        failed: error => ({ type: 'died', error: storeErrorOf(error, 'run') }),
      })
      awaitDeath()
      return {
        database, durable, writes: new WriteQueue(), resumed: false, phase: 'running',
        failing: undefined, lost: false, retryMs: FIRST_RETRY, stats, awaitDeath, waitingForQueue: [],
      }
    },
    receive: {
      resume(state, _message, ctx) {
        state.resumed = true
        pump(state, ctx)
      },
      write(state, { sequence, batch }, ctx) {
        if (!state.resumed) return
        state.writes.push(sequence, batch)
        pump(state, ctx)
      },
      committed(state, { sequence }, ctx) {
        const upTo = state.writes.durable(sequence)
        if (upTo !== undefined) void chain.durable(upTo)
        if (state.phase === 'running') recovered(state, ctx)
        pauseWhenIdle(state, ctx)
        pump(state, ctx)
      },
      commitFailed(state, { error }, ctx) {
        state.writes.failed()
        state.lost ||= LOST.has(error.code)
        failed(state, error, ctx)
      },
      died(state, { error }, ctx) {
        state.awaitDeath()
        state.lost = true
        failed(state, error, ctx)
      },
      reopened(state, _message, ctx) {
        state.lost = false
        // Where writes wait, the first that is durable shows that it stores again.
        if (state.writes.length === 0) recovered(state, ctx)
        runAgain(state, ctx)
      },
      reopenFailed: (state, { error }, ctx) => failed(state, error, ctx),
      serveCommitments({ database }, { request, start, max }, ctx) {
        serve(ctx, request, database.canonicalRange(start, max).then(commitmentsBody), commitmentsBody(new Uint8Array(0)))
      },
      serveTxList({ database }, { request, hash }, ctx) {
        serve(ctx, request, database.txList(hash).then(bytes => txListBody(hash, bytes)), txListBody(hash, undefined))
      },
      answered(_state, { request, body }) { void answers.send({ type: 'answer', request, body }) },
      restore: (state, { tail, beside }, ctx) => asked(ctx, restore(state, tail, beside)),
      page: ({ database }, { start, max }, ctx) => asked(ctx, database.canonicalRange(start, max)),
      scan: ({ database }, { from, max, after }, ctx) => asked(ctx, database.scan(from, max, after)),
      tail: ({ database }, { count }, ctx) => asked(ctx, database.tail(count)),
      blockAt: ({ database }, { height }, ctx) => asked(ctx, database.blockAt(height)),
      rewinds: ({ database }, { after }, ctx) => asked(ctx, database.rewinds(after)),
      commitment: ({ database }, { hash }, ctx) => asked(ctx, database.commitmentByHash(hash)),
      txList: ({ database }, { hash }, ctx) => asked(ctx, database.txList(hash)),
      hasTxLists: ({ database }, { hashes }, ctx) => asked(ctx, database.hasTxLists(hashes)),
      missingTxLists: ({ database }, { from, max }, ctx) => asked(ctx, database.missingTxLists(from, max)),
      signedWindow: (state, { signer, submissionWindowEnd }, ctx) => asked(ctx, signedWindow(state, signer, submissionWindowEnd)),
      evidence: ({ database }, { from, max }, ctx) => asked(ctx, database.evidence(from, max)),
      meta: ({ database }, { name }, ctx) => asked(ctx, database.meta(name)),
      setMeta: ({ database }, { name, value }, ctx) => asked(ctx, database.commit({ meta: [{ name, value }] }).then(() => undefined)),
      standing: (state, _message, ctx) => ctx.later(standing(state)),
    },
    timers: {
      retry(state, ctx) {
        if (!state.lost) {
          runAgain(state, ctx)
          return
        }
        ctx.pipe(state.database.open().then(opened => { tellOpened(opened, ctx) }), {
          ok: () => ({ type: 'reopened' }),
          failed: error => ({ type: 'reopenFailed', error: storeErrorOf(error, 'open again') }),
        })
      },
    },
    async stop({ database }) { await database.close() },
  })
}

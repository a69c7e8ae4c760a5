import { actor, behaviour } from '../kernel/index.js'
import type { Context, Later } from '../kernel/index.js'
import { toHex } from '../../protocol/hex.js'
import type { Database, Discarded, Loss, Opened, SignedWindow, Stats } from './database.js'
import { storeErrorOf } from './errors.js'
import type { StoreError } from './errors.js'
import { healing } from './healing.js'
import { storeBoundary, storeMailbox } from './ingress.js'
import type { RestoredBytes, StoreMessage, StoreParams, StorePorts, StoreStanding } from './ingress.js'
import { memoryDatabase } from './memory.js'
import { commitmentsBody, txListBody } from '../../protocol/index.js'

type Internal =
  | { readonly type: 'committed'; readonly sequence: number }
  | { readonly type: 'commitFailed'; readonly error: StoreError }
  | { readonly type: 'answered'; readonly request: number; readonly body: Uint8Array }
type Timer = 'retry'
type Ctx = Context<StoreMessage, Internal, Timer>

interface State {
  readonly database: Database
  /** False where everything is kept in memory only. */
  readonly durable: boolean
  /** Writes under way, and what came of the last of them. */
  waiting: number
  latest: Promise<StoreError | undefined>
  /** A write was refused or failed: chain is to send again from the first that is not durable. */
  lacking: boolean
  retrying: boolean
  retryMs: number
  failing: StoreError | undefined
  /** As last read. */
  stats: Stats
}

/** Pauses between tries after a failure, ms: doubled from the first to the last. */
const FIRST_RETRY = 200
const LAST_RETRY = 10_000

/**
 * Owns the database. What chain writes is committed in groups; what fails, and all that comes after it, is refused, and chain, which
 * keeps what is not acknowledged, is asked to send it again after a growing pause: it hears `durable` only of what is on disk (H33).
 */
export const storeOver = (open: () => Database | Promise<Database>, { chain, answers, events }: StorePorts) => {
  const tellLoss = ({ what, closedUpTo }: Loss, ctx: Ctx) => {
    ctx.log.error({ what, signingClosedUpTo: String(closedUpTo) }, 'what was said to be stored is missing; nothing is signed for windows that may have been open: see docs/operating-store.md')
    void events.send({ type: 'recordsLost', what, signingClosedUpTo: closedUpTo })
  }
  const tellDamage = (discarded: readonly Discarded[], ctx: Ctx) => {
    for (const { kind, hash, blockNumber } of discarded) {
      ctx.log.error({ kind, hash: hash === undefined ? undefined : toHex(hash), blockNumber: blockNumber?.toString() }, 'a damaged record was dropped')
      void events.send({ type: 'recordDamaged', kind, hash, blockNumber })
      if (kind === 'txList' && hash !== undefined) void chain.send({ type: 'lostTxList', hash, height: blockNumber })
    }
  }
  const tellOpened = ({ loss, discarded, unknownFiles, droppedBytes }: Opened, ctx: Ctx) => {
    if (droppedBytes > 0) ctx.log.warn({ droppedBytes }, 'part of the log could not be read and was dropped')
    if (unknownFiles.length > 0) ctx.log.info({ files: unknownFiles.slice(0, 16) }, 'what lies in the folder of the database and is not of it is left alone')
    if (loss !== undefined) tellLoss(loss, ctx)
    tellDamage(discarded, ctx)
  }
  const failed = (state: State, error: StoreError, ctx: Ctx) => {
    if (state.failing?.code !== error.code) {
      ctx.log.error({ code: error.code, err: error }, 'cannot store now; what waits is tried again')
      void events.send({ type: 'storeFailing', code: error.code, message: error.message })
    }
    state.failing = error
  }
  const recovered = (state: State, ctx: Ctx) => {
    state.retryMs = FIRST_RETRY
    if (state.failing === undefined) return
    ctx.log.info({ was: state.failing.code }, 'storing again')
    void events.send({ type: 'storeRecovered' })
    state.failing = undefined
  }
  /** Once what is under way is over, chain is asked for what is lacking. */
  const settled = (state: State, ctx: Ctx) => {
    state.waiting--
    if (state.waiting > 0 || !state.lacking || state.retrying) return
    state.retrying = true
    ctx.after('retry', state.retryMs)
    state.retryMs = Math.min(state.retryMs * 2, LAST_RETRY)
  }
  const asked = <T>(ctx: Ctx, reading: Promise<T>): Later<T> =>
    ctx.later(reading.catch((error: unknown) => { throw storeErrorOf(error, 'read') }))
  const serve = (ctx: Ctx, request: number, body: Promise<Uint8Array>, empty: Uint8Array) => {
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
      waiting: state.waiting,
      failing: failing === undefined ? undefined : { code: failing.code, message: failing.message },
    }
  }
  /** What is being written counts as signed too: while it cannot be stored, nobody can say what we signed. */
  const signedWindow = async (state: State, signer: Uint8Array, window: bigint): Promise<SignedWindow> => {
    const failure = await state.latest ?? state.failing
    if (failure !== undefined) throw failure
    const records = await state.database.ownSigned(signer, window)
    // Read after the records: what was pruned or lost meanwhile is below it.
    return { records, closedUpTo: (await state.database.stats()).signing.closedUpTo }
  }
  /** After the writes that were sent before it. */
  const restore = async (state: State, tail: number, beside: number): Promise<RestoredBytes> => {
    await state.latest
    const { database, durable } = state
    const [record, tailPage, besidePage, stats] = await Promise.all([database.chainRecord(), database.tail(tail), database.beside(beside), database.stats()])
    return { durable, ...record, tail: tailPage.bytes, beside: besidePage.bytes, stats }
  }

  return actor<StoreMessage, State, Internal, Timer>({
    name: 'store',
    mailbox: storeMailbox,
    async init(ctx) {
      const database = healing(await open(), discarded => { tellDamage(discarded, ctx) })
      const opened = await database.open()
      tellOpened(opened, ctx)
      const { durable, migratedFrom, schema, stats } = opened
      if (migratedFrom !== undefined) ctx.log.info({ from: migratedFrom, to: schema }, 'the database was of an older schema and has been brought to the present one')
      ctx.log.info({ durable, commitments: stats.commitments, txLists: stats.txLists }, 'the store is open')
      void chain.send({ type: 'storeReady' })
      return {
        database, durable, waiting: 0, latest: Promise.resolve(undefined), lacking: false, retrying: false,
        retryMs: FIRST_RETRY, failing: undefined, stats,
      }
    },
    receive: {
      write(state, { sequence, after, batch }, ctx) {
        state.waiting++
        const written = state.database.commit({ ...batch, sequence, after })
        state.latest = written.then(() => undefined, (error: unknown) => storeErrorOf(error, 'commit'))
        ctx.pipe(written, {
          ok: () => ({ type: 'committed', sequence }),
          failed: error => ({ type: 'commitFailed', error: storeErrorOf(error, 'commit') }),
        })
      },
      serveCommitments({ database }, { request, start, max, onePerHeight }, ctx) {
        serve(ctx, request, database.canonicalRange(start, max, onePerHeight).then(commitmentsBody), commitmentsBody(new Uint8Array(0)))
      },
      serveTxList({ database }, { request, hash }, ctx) {
        serve(ctx, request, database.txList(hash).then(bytes => txListBody(hash, bytes)), txListBody(hash, undefined))
      },
      restore: (state, { tail, beside }, ctx) => asked(ctx, restore(state, tail, beside)),
      page: ({ database }, { start, max }, ctx) => asked(ctx, database.canonicalRange(start, max)),
      scan: ({ database }, { from, max, after }, ctx) => asked(ctx, database.scan(from, max, after).then(({ bytes }) => bytes)),
      tail: ({ database }, { count }, ctx) => asked(ctx, database.tail(count).then(({ bytes }) => bytes)),
      blockAt: ({ database }, { height }, ctx) => asked(ctx, database.blockAt(height)),
      rewinds: ({ database }, { after, store }, ctx) => asked(ctx, database.rewinds(after, store)),
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
    internal: {
      committed(state, { sequence }, ctx) {
        void chain.send({ type: 'durable', sequence })
        recovered(state, ctx)
        settled(state, ctx)
      },
      commitFailed(state, { error }, ctx) {
        state.lacking = true
        if (error.code !== 'out_of_order') failed(state, error, ctx)
        settled(state, ctx)
      },
      answered(_state, { request, body }) { void answers.send({ type: 'answer', request, body }) },
    },
    timers: {
      retry(state) {
        state.lacking = state.retrying = false
        void chain.send({ type: 'storeReady' })
      },
    },
    async stop({ database }) { await database.close() },
  })
}

/** What runs in the store's thread, or inline where there is no data directory. */
export const storing = behaviour(storeBoundary, (params: StoreParams, ports: StorePorts) => storeOver(async () => {
  const { dataDir, token, ...options } = params
  if (dataDir === undefined) return memoryDatabase(options)
  // Native code, which a node without a directory never loads.
  const { fileDatabase } = await import('./file-database.js')
  return fileDatabase({ dataDir, ...token !== undefined && { token }, ...options })
}, ports))

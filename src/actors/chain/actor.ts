import { actor } from '../kernel/index.js'
import type { Context, Later, Port } from '../kernel/index.js'
import type { CommitmentRecord, Restored } from '../store/ingress.js'
import { chainConfig } from './config.js'
import type { ChainConfig } from './config.js'
import { ChainCore } from './core.js'
import { ChainError } from './errors.js'
import { chainMailbox } from './ingress.js'
import type { ChainMessage } from './ingress.js'
import type { ChainPorts, Outside } from './outside.js'
import { EQUIVOCATION, SETTLED } from './own-desk.js'
import type { ChainEvent, ChainStore } from './ports.js'
import { REWOUND_TOP } from './reorg.js'
import type { ChainRules, RuleAnswer } from './rules.js'
import type { ScheduleAnswer, ScheduleResolver } from './schedule.js'

export interface ChainNeeds extends ChainPorts {
  readonly store: ChainStore
  readonly events: Port<ChainEvent>
  readonly schedule: ScheduleResolver
  readonly rules?: ChainRules | undefined
}

/** Something that reads the store and goes on afterwards: one at a time. */
interface Reading { readonly kind: 'rewind' | 'confirm' | 'reinstate'; readonly resolve: () => void; readonly reject: (error: unknown) => void }

interface State {
  readonly core: ChainCore
  reading: (Reading & { readonly goOn: (records: readonly CommitmentRecord[]) => void }) | undefined
}

/** How often time is looked at, ms: every bound in time is kept to within this. */
const TICK = 250

/**
 * The stateful verdict (SPEC §6, §7). Everything that is decided is decided in `ChainCore`; this actor gives it messages, time and ports,
 * and pipes to itself what the application and the store answer, so that nobody is waited for.
 */
export const chain = (needs: ChainNeeds, options: Partial<ChainConfig> = {}) => {
  const config = chainConfig(options)
  const { store } = needs

  const outsideOf = (ctx: Context<ChainMessage>): Outside => {
    const lookUps = callsOf<bigint, ScheduleAnswer>(ctx.signal, (window, signal) => needs.schedule(window, { signal }), (window, promise) => ctx.pipe(promise, {
      ok: answer => ({ type: 'scheduleAnswered', window, answer }),
      failed: error => ({ type: 'scheduleFailed', window, error }),
    }))
    const rules = needs.rules
    const ruleCalls = rules === undefined ? undefined : callsOf<number, RuleAnswer, Parameters<ChainRules>[0]>(ctx.signal,
      (_id, signal, input) => rules(input, { signal }),
      (id, promise) => ctx.pipe(promise, { ok: answer => ({ type: 'ruled', id, answer }), failed: error => ({ type: 'rulesFailed', id, error }) }))
    return {
      verdicts: needs.verdicts, answers: needs.answers, outcomes: needs.outcomes, gaps: needs.gaps, judged: needs.judged, ownJudged: needs.ownJudged,
      lookUps, rules: ruleCalls,
      event: event => { void needs.events.send(event) },
      write: (sequence, batch) => store.write(sequence, batch),
      resume: () => store.resume(),
      readSigned: (signer, window) => ctx.pipe(store.signedWindow(signer, window, config.storeWithin), {
        ok: answer => ({ type: 'signedKnown', signer, window, answer }),
        failed: () => ({ type: 'signedKnown', signer, window, answer: undefined }),
      }),
      recall: (id, hash) => ctx.pipe(store.commitment(hash, config.storeWithin), {
        ok: record => ({ type: 'recalled', id, record, error: undefined }),
        failed: error => ({ type: 'recalled', id, record: undefined, error: error ?? 'failed' }),
      }),
      monotonic: () => ctx.clock.monotonic(),
      wall: () => ctx.clock.now(),
    }
  }

  /** Runs a decision of the application, reading the store first where it has to; answers when it is durable. */
  const decide = (
    state: State, ctx: Context<ChainMessage>, kind: Reading['kind'], first: () => 'done' | 'read_store',
    read: () => Promise<readonly CommitmentRecord[]>, again: (records: readonly CommitmentRecord[]) => void,
  ): Later<void> => {
    const { core } = state
    // A refusal is the asker's: thrown here it would crash the actor.
    if (state.reading !== undefined) return ctx.later(Promise.reject(new ChainError('busy', `a ${state.reading.kind} reads the store`)))
    let outcome: 'done' | 'read_store'
    try {
      outcome = first()
    } catch (error) {
      if (error instanceof ChainError) return ctx.later(Promise.reject(error))
      throw error
    }
    if (outcome === 'done') {
      const durable = new Promise<void>(resolve => core.state.whenDurable(resolve))
      core.flush()
      return ctx.later(durable)
    }
    ctx.pipe(read(), { ok: records => ({ type: 'recordsRead', records }), failed: error => ({ type: 'readFailed', error }) })
    return ctx.later(new Promise<void>((resolve, reject) => { state.reading = { kind, resolve, reject, goOn: again } }))
  }

  return actor<ChainMessage, State>({
    name: 'chain',
    mailbox: chainMailbox,
    async init(ctx) {
      const [restored, rewoundTop, settled, equivocation] = await Promise.all([
        store.restore(config.memoryBlocks, config.maxPendingParents, config.storeWithin),
        ...[REWOUND_TOP, SETTLED, EQUIVOCATION].map(name => store.meta(name, config.storeWithin)),
      ] as const)
      // Sequences of an earlier incarnation may still be acknowledged: begin above them.
      const core = new ChainCore(outsideOf(ctx), config, Math.floor(ctx.clock.now()) * 1_000)
      const { durable, stats: { signing } } = restored
      core.restore({ ...restored, root: await rootOf(store, restored, config), rewoundTop, signing: { ...signing, settled, equivocation, durable } })
      void store.resume()
      core.flush()
      ctx.every('tick', TICK)
      return { core, reading: undefined }
    },
    receive: {
      commitments({ core }, { items }) { core.judge.commitments(items); core.flush() },
      txLists({ core }, { items }) { core.txLists.take(items); core.flush() },
      page({ core }, { peer, ticket, items }) { core.judge.page(peer, ticket, items); core.flush() },
      durable({ core }, { sequence }) { core.state.acknowledged(sequence) },
      storeReady({ core }) { core.state.sendAgain() },
      serveHead({ core }, { request }) { core.serveHead(request) },
      updateHead({ core }, { head }) { core.updateHead(head); core.flush() },
      parentUnavailable({ core }, { hash, peers }) { core.trust.parentUnavailable(hash, peers); core.flush() },
      confirm: (state, { tip }, ctx) => decide(state, ctx, 'confirm', () => state.core.confirm(tip),
        async () => [...await store.scan(tip.blockNumber, 8, undefined, config.storeWithin)],
        records => { state.core.confirm(tip, records.find(({ blockNumber, handover }) => blockNumber === tip.blockNumber && !handover)?.hash ?? 'none') }),
      rewind: (state, { to }, ctx) => decide(state, ctx, 'rewind', () => state.core.rewind(to),
        () => readTail(store, to, config), records => { state.core.rewind(to, records) }),
      reinstate: (state, { hash }, ctx) => decide(state, ctx, 'reinstate', () => state.core.reinstate(hash),
        async () => { const record = await store.commitment(hash, config.storeWithin); return record === undefined ? [] : [record] },
        records => { state.core.reinstate(hash, records[0] ?? null) }),
      reserve({ core }, record, ctx) {
        const answer = new Promise<void>((granted, refused) => { core.judge.propose(record, { kind: 'proposal', granted, refused }) })
        core.flush()
        return ctx.later(answer)
      },
      caughtUp({ core }, _message, ctx) {
        const settled = new Promise<void>(resolve => { core.judge.own.caughtUp(resolve) })
        core.flush()
        return ctx.later(settled)
      },
      lostTxList({ core }, { hash, height }) { core.txLists.lost(hash, height) },
      standing: ({ core }) => core.standing(),

      scheduleAnswered({ core }, { window, answer }, ctx) { core.judge.lookedUp(core.judge.schedules.answered(window, answer, ctx.clock.monotonic())); core.flush() },
      scheduleFailed({ core }, { window, error }, ctx) { core.judge.lookedUp(core.judge.schedules.failed(window, error, ctx.clock.monotonic())); core.flush() },
      ruled({ core }, { id, answer }) { core.judge.ruled(id, answer); core.flush() },
      rulesFailed({ core }, { id, error }) { core.judge.rulesFailed(id, error); core.flush() },
      signedKnown({ core }, { signer, window, answer }) { core.judge.signedKnown(signer, window, answer); core.flush() },
      recalled({ core }, { id, record, error }) { core.judge.recalled(id, record, error); core.flush() },
      recordsRead(state, { records }) {
        const { reading, core } = state
        state.reading = undefined
        if (reading === undefined) return
        try {
          reading.goOn(records)
        } catch (error) {
          if (!(error instanceof ChainError)) throw error
          reading.reject(error)
          return
        }
        core.state.whenDurable(reading.resolve)
        core.flush()
      },
      readFailed(state, { error }) {
        state.reading?.reject(error)
        state.reading = undefined
      },
    },
    timers: {
      tick({ core }) { core.tick(); core.flush() },
    },
  })
}

/** The canonical records that lead up to a height, as many as are kept in memory. */
async function readTail(store: ChainStore, to: bigint, { memoryBlocks, storeWithin }: ChainConfig): Promise<readonly CommitmentRecord[]> {
  const span = BigInt(memoryBlocks)
  const records: CommitmentRecord[] = []
  let after: Uint8Array | undefined
  for (;;) {
    const page = [...await store.scan(to < span ? 0n : to - span + 1n, memoryBlocks, after, storeWithin)]
    records.push(...page.filter(({ blockNumber }) => blockNumber <= to))
    const last = page.at(-1)
    if (last === undefined || last.blockNumber > to || page.length < memoryBlocks) return records
    after = last.hash
  }
}

/**
 * Calls of the application's functions by key, each with a signal of its own. What is answered at once is given at once; what takes time
 * goes to `pipe`.
 */
function callsOf<K, T, I = undefined>(
  whole: AbortSignal, call: (key: K, signal: AbortSignal, input: I) => T | Promise<T>, pipe: (key: K, promise: Promise<T>) => void,
): { ask(key: K, input?: I): T | undefined; abandon(key: K): void } {
  const underWay = new Map<K, AbortController>()
  whole.addEventListener('abort', () => { for (const controller of underWay.values()) controller.abort() }, { once: true })
  return {
    ask(key, input) {
      const controller = new AbortController()
      const answer = call(key, controller.signal, input as I)
      if (!isPromise(answer)) return answer
      underWay.set(key, controller)
      pipe(key, Promise.resolve(answer).finally(() => { if (underWay.get(key) === controller) underWay.delete(key) }))
      return undefined
    },
    abandon(key) {
      underWay.get(key)?.abort()
      underWay.delete(key)
    },
  }
}

const isPromise = <T>(value: T | Promise<T>): value is Promise<T> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'

/** What a long chain without a tip stands on: its lowest record, which the tail does not reach. */
async function rootOf(store: ChainStore, { confirmedTip, tail, stats }: Restored, { memoryBlocks, storeWithin }: ChainConfig): Promise<CommitmentRecord | undefined> {
  if (confirmedTip !== undefined || tail.length < memoryBlocks || stats.lowest === undefined) return undefined
  return [...await store.scan(stats.lowest, 1, undefined, storeWithin)][0]
}

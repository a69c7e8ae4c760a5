import { equalBytes } from '../../protocol/bytes.js'
import { PRECONFIRMATION_SIZE, loadCrypto, preconfirmationHash } from '../../protocol/index.js'
import { actor } from '../kernel/index.js'
import type { Context, Deferral, Later, Port } from '../kernel/index.js'
import type { CommitmentRecord } from '../store/ingress.js'
import { chainConfig } from './config.js'
import type { ChainConfig } from './config.js'
import { ChainCore } from './core.js'
import { REWOUND_TOP } from './decisions.js'
import type { Found, LookUp } from './decisions.js'
import { ChainError } from './errors.js'
import { chainMailbox } from './ingress.js'
import type { ChainInternal, ChainMessage } from './ingress.js'
import type { ChainPorts, ChainEffects } from './effects.js'
import { EQUIVOCATION, SETTLED } from './slashing-protection.js'
import type { ChainEvent, ChainStore } from './ports.js'
import type { ChainRules, RuleAnswer } from './rules.js'
import type { ScheduleAnswer, ScheduleResolver } from './schedule.js'

export interface ChainNeeds extends ChainPorts {
  readonly store: ChainStore
  readonly events: Port<ChainEvent>
  readonly schedule: ScheduleResolver
  readonly rules?: ChainRules | undefined
}

/** A decision of the application: with what it has looked up, where it has to look something up. */
type Decision = (found?: readonly Found[]) => LookUp | undefined

interface State {
  readonly core: ChainCore
  /** The decision that reads the store and goes on afterwards: one at a time. */
  deciding: { readonly run: Decision; readonly answer: Deferral<void> } | undefined
}

/**
 * How long the store may take to read or to record what we are about to sign, ms: twice that is less than who asks for it waits. A store
 * that is being started again does not refuse, it answers later.
 */
const RECORD_WITHIN = 4_000

/** How often time is looked at, ms: every bound in time is kept to within this. */
const TICK = 250

/**
 * The stateful verdict (SPEC §6, §7). Everything that is decided is decided in `ChainCore`; this actor gives it messages, time and ports,
 * and pipes to itself what the application and the store answer, so that nobody is waited for.
 */
export const chain = (needs: ChainNeeds, options: Partial<ChainConfig> = {}) => {
  const config = chainConfig(options)
  const { store } = needs

  const outsideOf = (ctx: Context<ChainMessage, ChainInternal, 'tick'>): ChainEffects => {
    const lookUps = callsOf<bigint, ScheduleAnswer, number>(ctx.signal, (window, signal) => needs.schedule(window, { signal }), (window, promise, generation) => ctx.pipe(promise, {
      ok: answer => ({ type: 'scheduleAnswered', window, answer, generation }),
      failed: error => ({ type: 'scheduleFailed', window, error, generation }),
    }))
    const rules = needs.rules
    const ruleCalls = rules === undefined ? undefined : callsOf<number, RuleAnswer, Parameters<ChainRules>[0]>(ctx.signal,
      (_id, signal, input) => rules(input, { signal }),
      (id, promise) => ctx.pipe(promise, { ok: answer => ({ type: 'ruled', id, answer }), failed: error => ({ type: 'rulesFailed', id, error }) }))
    return {
      verdicts: needs.verdicts, scheduleChanges: needs.scheduleChanges, answers: needs.answers, outcomes: needs.outcomes, gaps: needs.gaps, judged: needs.judged, ownJudged: needs.ownJudged,
      lookUps, rules: ruleCalls,
      event: event => { void needs.events.send(event) },
      write: (sequence, after, batch) => store.write(sequence, after, batch),
      readSigned: (signer, window) => ctx.pipe(store.signedWindow(signer, window, Math.min(config.storeWithin, RECORD_WITHIN)), {
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

  /** What a decision has to see: from the store, or from its evidence. */
  const lookUp = async (wanted: LookUp): Promise<readonly Found[]> => {
    const kept = (record: CommitmentRecord | undefined): Found[] => record === undefined ? [] : [{ ...record, kept: true }]
    switch (wanted.what) {
      case 'block': return kept(await store.blockAt(wanted.height, config.storeWithin))
      case 'tail': return (await readTail(store, wanted.to, config)).map(record => ({ ...record, kept: true }))
      case 'commitment': {
        const record = await store.commitment(wanted.hash, config.storeWithin)
        return record === undefined ? inEvidence(store, wanted.hash, config) : kept(record)
      }
    }
  }

  /** Runs a decision of the application, with what it has to see first; answers when it is durable. */
  const decide = (state: State, ctx: Context<ChainMessage, ChainInternal, 'tick'>, run: Decision): Later<void> => {
    const { core } = state
    if (state.deciding !== undefined) return ctx.refuse(new ChainError('busy', 'another decision reads the store'))
    let wanted: LookUp | undefined
    try {
      wanted = run()
    } catch (error) {
      if (error instanceof ChainError) return ctx.refuse(error)
      throw error
    }
    if (wanted === undefined) {
      return ctx.defer(answer => {
        core.state.whenDurable(() => { answer.resolve() })
        core.flush()
      })
    }
    ctx.pipe(lookUp(wanted), { ok: records => ({ type: 'recordsRead', records }), failed: error => ({ type: 'readFailed', error }) })
    return ctx.defer(answer => { state.deciding = { run, answer } })
  }

  return actor<ChainMessage, State, ChainInternal, 'tick'>({
    name: 'chain',
    mailbox: chainMailbox,
    async init(ctx) {
      const [restored, rewoundTop, settled, equivocation] = await Promise.all([
        store.restore(config.memoryBlocks, config.maxPendingParents + config.maxAside, config.storeWithin),
        ...[REWOUND_TOP, SETTLED, EQUIVOCATION].map(name => store.meta(name, config.storeWithin)),
      ] as const)
      // Numbers of no other incarnation, whose acknowledgements may still come (H59).
      const core = new ChainCore(outsideOf(ctx), config, Math.floor(ctx.random() * 2 ** 32) * 2 ** 20)
      const { durable, stats: { signing } } = restored
      core.restore({
        ...restored, hasMore: restored.tail.length >= config.memoryBlocks || restored.stats.evictedCommitments > 0, rewoundTop,
        signing: { ...signing, settled, equivocation, durable },
      })
      // What the tip means at run time, it means at start; a later one that the store knows wins.
      const { confirmedTip } = config
      const present = core.state.tip
      if (confirmedTip !== undefined && (present === undefined || confirmedTip.blockNumber >= present.blockNumber)) {
        const wanted = core.decisions.confirm(confirmedTip)
        if (wanted !== undefined) core.decisions.confirm(confirmedTip, await lookUp(wanted))
      }
      core.flush()
      needs.schedule.subscribe?.((from, to) => { void ctx.self.send({ type: 'scheduleChanged', from, to }) }, { signal: ctx.signal })
      ctx.every('tick', TICK)
      return { core, deciding: undefined }
    },
    receive: {
      commitments({ core }, { items }) { core.judge.commitments(items); core.flush() },
      txLists({ core }, { items }) { core.txLists.take(items); core.flush() },
      page({ core }, { peer, ticket, items }) { core.judge.page(peer, ticket, items); core.flush() },
      durable({ core }, { sequence }) { core.state.acknowledged(sequence) },
      storeReady({ core }) { core.state.sendAgain() },
      serveHead({ core }, { request }) { core.serveHead(request) },
      updateHead({ core }, { head }, ctx) {
        try {
          core.decisions.updateHead(head)
        } catch (error) {
          if (!(error instanceof ChainError)) throw error
          ctx.log.warn({ error }, 'the head that peers are to be told is none')
        }
        core.flush()
      },
      scheduleChanged({ core }, { from, to }) { core.judge.scheduleChanged(from, to); core.flush() },
      rootAt({ core }, { first }) { core.state.canon.rootAt(first); core.flush() },
      parentUnavailable({ core }, { hash, peers }) { core.handoverFallback.parentUnavailable(hash, peers); core.flush() },
      confirm: (state, { tip }, ctx) => decide(state, ctx, found => state.core.decisions.confirm(tip, found)),
      rewind: (state, { to }, ctx) => decide(state, ctx, found => state.core.decisions.rewind(to, found)),
      reinstate: (state, { hash }, ctx) => decide(state, ctx, found => state.core.decisions.reinstate(hash, found)),
      reserve({ core }, { behind, ...record }, ctx) {
        const answer = new Promise<void>((granted, refused) => { core.judge.propose(record, { kind: 'proposal', behind, granted, refused }) })
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
    },
    internal: {
      scheduleAnswered({ core }, { window, answer, generation }, ctx) { core.judge.lookedUp(core.judge.schedules.answered(window, answer, ctx.clock.monotonic(), generation)); core.flush() },
      scheduleFailed({ core }, { window, error, generation }, ctx) { core.judge.lookedUp(core.judge.schedules.failed(window, error, ctx.clock.monotonic(), generation)); core.flush() },
      ruled({ core }, { id, answer }) { core.judge.ruled(id, answer); core.flush() },
      rulesFailed({ core }, { id, error }) { core.judge.rulesFailed(id, error); core.flush() },
      signedKnown({ core }, { signer, window, answer }) { core.judge.signedKnown(signer, window, answer); core.flush() },
      recalled({ core }, { id, record, error }) { core.judge.recalled(id, record, error); core.flush() },
      recordsRead(state, { records }) {
        const { deciding, core } = state
        state.deciding = undefined
        if (deciding === undefined) return
        try {
          deciding.run(records)
        } catch (error) {
          if (!(error instanceof ChainError)) throw error
          deciding.answer.reject(error)
          return
        }
        core.state.whenDurable(() => { deciding.answer.resolve() })
        core.flush()
      },
      readFailed(state, { error }) {
        state.deciding?.answer.reject(error)
        state.deciding = undefined
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
function callsOf<K, T, I>(
  whole: AbortSignal, call: (key: K, signal: AbortSignal, input: I) => T | Promise<T>, pipe: (key: K, promise: Promise<T>, input: I) => void,
): { ask(key: K, input: I): T | undefined; abandon(key: K): void } {
  const underWay = new Map<K, AbortController>()
  whole.addEventListener('abort', () => { for (const controller of underWay.values()) controller.abort() }, { once: true })
  return {
    ask(key, input) {
      const controller = new AbortController()
      const answer = call(key, controller.signal, input)
      if (!isPromise(answer)) return answer
      underWay.set(key, controller)
      pipe(key, Promise.resolve(answer).finally(() => { if (underWay.get(key) === controller) underWay.delete(key) }), input)
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

/** A commitment that is kept as evidence against its signer only. */
async function inEvidence(store: ChainStore, hash: Uint8Array, { storeWithin }: ChainConfig): Promise<readonly Found[]> {
  const crypto = await loadCrypto()
  for (let from = 0; ;) {
    const page = await store.evidence(from, 256, storeWithin)
    for (const { messages, signer } of page) {
      const ssz = messages.find(each => equalBytes(preconfirmationHash(crypto, each.subarray(0, PRECONFIRMATION_SIZE)), hash))
      if (ssz !== undefined) return [{ ssz, hash, signer, standing: 'demoted', kept: false }]
    }
    const last = page.at(-1)
    if (last === undefined) return []
    from = last.sequence + 1
  }
}

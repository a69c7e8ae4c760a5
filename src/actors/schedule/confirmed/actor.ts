import { codeOf, messageOf } from '../../../protocol/thrown.js'
import type { Chain } from '../../chain/ingress.js'
import { actor } from '../../kernel/index.js'
import type { Context, Port } from '../../kernel/index.js'
import { Endpoints } from '../endpoints.js'
import { httpRpc } from '../rpc.js'
import type { OpenRpc } from '../rpc.js'
import type { ConfirmationsConfig } from './config.js'
import { confirmationsMailbox } from './ingress.js'
import type { ConfirmationEvent, ConfirmationMessage } from './ingress.js'
import { Origins } from './origin.js'
import type { Origin } from './origin.js'

export interface ConfirmationsNeeds {
  readonly chain: Pick<Chain, 'confirm' | 'standing'>
  readonly events: Port<ConfirmationEvent>
  /** Of L2. */
  readonly chainId: bigint
  /** How endpoints are reached. Left out: over HTTP. */
  readonly open?: OpenRpc | undefined
}

type Internal =
  | { readonly type: 'looked'; readonly tip: Origin | undefined; readonly confirmed: bigint | undefined }
  | { readonly type: 'lookFailed'; readonly error: unknown }
  | { readonly type: 'confirmed'; readonly tip: Origin }
  | { readonly type: 'notConfirmed'; readonly error: unknown }

type Ctx = Context<ConfirmationMessage, Internal, 'look' | 'second'>

interface State {
  readonly endpoints: Endpoints
  readonly origins: Origins
  tip: Origin | undefined
  /** The last tip that the quorum told. */
  reached: bigint | undefined
  confirmed: bigint | undefined
  /** When the quorum was read last, wall time. */
  readAt: number | undefined
  fresh: boolean
  wentBack: number
  /** Looks, or confirmations, that have failed in a row. */
  failures: number
  failing: unknown
}

/**
 * Asks L2 execution clients which block L1 has, and tells chain (LOOKAHEAD §10): one look at a time, and one confirmation. What L1 had is confirmed for
 * good: a tip that goes back is told, and moves nothing.
 */
export const confirmations = (needs: ConfirmationsNeeds, config: ConfirmationsConfig) => actor<ConfirmationMessage, State, Internal, 'look' | 'second'>({
  name: 'confirmations',
  mailbox: confirmationsMailbox,
  async init(ctx) {
    const endpoints = new Endpoints(needs.open ?? await httpRpc(), config, ctx)
    const state: State = {
      endpoints, origins: new Origins(endpoints, config.quorum, needs.chainId), tip: undefined, reached: undefined, confirmed: undefined,
      readAt: undefined, fresh: false, wentBack: 0, failures: 0, failing: undefined,
    }
    ctx.every('second', 1_000)
    look(state, needs, config, ctx)
    return state
  },
  receive: {
    figures: ({ endpoints, tip, confirmed, readAt, fresh, wentBack, failing }, _message, ctx) => ({
      tip: tip === undefined ? undefined : { blockNumber: tip.blockNumber, l1Block: tip.l1Block }, confirmed,
      age: readAt === undefined ? undefined : Math.round((ctx.clock.now() - readAt) / 1_000), fresh, wentBack,
      rpcCalls: endpoints.calls, rpcFailures: endpoints.failures, endpoints: endpoints.figures,
      failing: failing === undefined ? undefined : { code: codeOf(failing) ?? 'failed', message: messageOf(failing) },
    }),
  },
  internal: {
    looked(state, { tip, confirmed }, ctx) {
      state.readAt = ctx.clock.now()
      state.tip = tip
      state.confirmed = confirmed
      tellFresh(state, true, needs, ctx)
      if (tip === undefined) return wentWell(state, config, ctx)
      const { blockNumber } = tip
      const before = state.reached ?? confirmed
      state.reached = blockNumber
      if (before !== undefined && blockNumber < before) wentBack(state, before, blockNumber, needs, ctx)
      // at the same height chain may know more: a hash
      if (confirmed !== undefined && blockNumber <= confirmed) return wentWell(state, config, ctx)
      ctx.pipe(needs.chain.confirm({ blockNumber }, config.confirmWithin), { ok: () => ({ type: 'confirmed', tip }), failed: error => ({ type: 'notConfirmed', error }) })
    },
    lookFailed(state, { error }, ctx) { failed(state, error, 'the confirmed tip could not be read; it is tried again', config, ctx) },
    confirmed(state, { tip: { blockNumber, l1Block } }, ctx) {
      state.confirmed = blockNumber
      ctx.log.debug({ blockNumber: String(blockNumber), l1Block: String(l1Block) }, 'L1 has the chain up to this block')
      void needs.events.send({ type: 'tipConfirmed', blockNumber, l1Block })
      wentWell(state, config, ctx)
    },
    notConfirmed(state, { error }, ctx) { failed(state, error, 'the confirmed tip was not taken; it is tried again', config, ctx) },
  },
  timers: {
    look(state, ctx) { look(state, needs, config, ctx) },
    second(state, ctx) {
      const { readAt } = state
      if (readAt !== undefined && ctx.clock.now() - readAt > config.staleAfter) tellFresh(state, false, needs, ctx)
    },
  },
})

function look({ origins }: State, { chain }: ConfirmationsNeeds, { confirmWithin }: ConfirmationsConfig, ctx: Ctx): void {
  const ask = async () => {
    const [tip, { confirmedTip }] = await Promise.all([origins.confirmed(), chain.standing(confirmWithin)])
    return { tip, confirmed: confirmedTip?.blockNumber }
  }
  ctx.pipe(ask(), { ok: found => ({ type: 'looked', ...found }), failed: error => ({ type: 'lookFailed', error }) })
}

function wentBack(state: State, from: bigint, to: bigint, { events }: ConfirmationsNeeds, ctx: Ctx): void {
  state.wentBack++
  ctx.log.warn({ from: String(from), to: String(to), confirmed: String(state.confirmed) }, 'L1 has less of the chain than before; what is confirmed stays so')
  void events.send({ type: 'tipWentBack', from, to })
}

function wentWell(state: State, config: ConfirmationsConfig, ctx: Ctx): void {
  if (state.failures > 0) ctx.log.info({ failures: state.failures }, 'the confirmed tip is followed again')
  state.failures = 0
  state.failing = undefined
  ctx.after('look', config.pollEvery)
}

function failed(state: State, error: unknown, what: string, { retryFirst, retryLast }: ConfirmationsConfig, ctx: Ctx): void {
  state.failing = error
  if (state.failures++ === 0) ctx.log.warn({ error }, what)
  ctx.after('look', Math.min(retryFirst * 2 ** Math.min(state.failures - 1, 16), retryLast) * (0.5 + ctx.random() / 2))
}

/** Once a change. */
function tellFresh(state: State, fresh: boolean, { events }: ConfirmationsNeeds, ctx: Ctx): void {
  if (state.fresh === fresh) return
  state.fresh = fresh
  if (!fresh) ctx.log.warn({ error: state.failing }, 'the confirmed tip is not followed: no quorum of L2 clients answers')
  void events.send({ type: 'tipFresh', fresh, reason: fresh ? undefined : 'no quorum of L2 clients answers' })
}

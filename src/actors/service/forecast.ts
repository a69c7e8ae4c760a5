import { actor, seconds } from '../kernel/index.js'
import type { Context } from '../kernel/index.js'
import type { ScheduleResolver } from '../chain/index.js'
import type { ExpectedSigner, Validator } from '../validator/ingress.js'

/** Messages of the actor to itself; it receives no others. */
type Internal =
  | { readonly type: 'told'; readonly signers: readonly ExpectedSigner[] }
  | { readonly type: 'failed'; readonly error: unknown }

interface Needs {
  readonly upcoming: NonNullable<ScheduleResolver['upcoming']>
  readonly validator: Pick<Validator, 'expectSigners'>
}

/** Polling interval: one slot of L1, so that no election is missed. */
const LOOK_EVERY = seconds(12)

/**
 * Asks the schedule for the signers of this and the coming windows, and passes them to the validator, which prepares their tables in advance. Only
 * speed depends on it: without an answer the validator is slower, and nothing else changes.
 */
export const forecast = ({ upcoming, validator }: Needs) => {
  const look = (ctx: Context<never, Internal, 'look'>): void => {
    ctx.pipe((async () => upcoming(BigInt(Math.floor(ctx.clock.now() / 1_000))))(), {
      ok: signers => ({ type: 'told', signers }),
      failed: error => ({ type: 'failed', error }),
    })
  }
  return actor<never, undefined, Internal, 'look'>({
    name: 'forecast',
    mailbox: { capacity: 1, whenFull: {} },
    init(ctx) {
      look(ctx)
      ctx.every('look', LOOK_EVERY)
      return undefined
    },
    receive: {},
    internal: {
      told(_state, { signers }) { void validator.expectSigners(signers) },
      failed(_state, { error }, ctx) { ctx.log.debug({ error }, 'the schedule did not answer who signs next') },
    },
    timers: { look(_state, ctx) { look(ctx) } },
  })
}

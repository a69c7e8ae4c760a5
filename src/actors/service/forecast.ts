import { actor, seconds } from '../kernel/index.js'
import type { Context } from '../kernel/index.js'
import type { ScheduleResolver } from '../chain/index.js'
import type { ExpectedSigner, Validator } from '../validator/ingress.js'

/** What it tells itself; nobody else tells it anything. */
type Internal =
  | { readonly type: 'told'; readonly signers: readonly ExpectedSigner[] }
  | { readonly type: 'failed'; readonly error: unknown }

interface Needs {
  readonly upcoming: NonNullable<ScheduleResolver['upcoming']>
  readonly validator: Pick<Validator, 'expectSigners'>
}

/** A slot of L1: nobody is elected between two looks. */
const LOOK_EVERY = seconds(12)

/**
 * Asks the schedule who signs now and soon, and tells the validator, which has their tables ready when their window begins. Only speed
 * depends on it: a schedule that fails or is late costs nothing else.
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
      failed(_state, { error }, ctx) { ctx.log.debug({ error }, 'the schedule does not tell who signs next') },
    },
    timers: { look(_state, ctx) { look(ctx) } },
  })
}

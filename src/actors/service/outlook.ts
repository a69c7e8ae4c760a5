import type { Clock } from '../kernel/index.js'
import type { ScheduleResolver, UpcomingSigner } from '../chain/index.js'
import type { Chain } from '../chain/ingress.js'
import type { Schedule, WindowRow } from '../schedule/ingress.js'
import type { Store } from '../store/ingress.js'
import type { SigningGate } from './signing-gate.js'

/** How long a part may take to answer, ms. */
const WITHIN = 1_000

interface Needs {
  readonly clock: Clock
  readonly resolver: ScheduleResolver
  /** Our signer's address, 20 bytes; `undefined` without a signer. */
  readonly signer: Uint8Array | undefined
  readonly gate: Pick<SigningGate, 'held'> | undefined
  readonly chain: Pick<Chain, 'standing'>
  readonly store: Pick<Store, 'standing'>
  readonly schedule: Pick<Schedule, 'windows'> | undefined
}

/** Whether this node may sign. */
export interface SigningStanding {
  /** 20 bytes; `undefined`: there is no signer, and commitments come signed. */
  readonly signer: Uint8Array | undefined
  /** The first catch-up has not ended: nothing is signed yet. */
  readonly held: boolean
  /** Nothing is signed for windows that end at or before this, s since the epoch; `undefined`: no records were lost. */
  readonly closedUpTo: bigint | undefined
  /** Our own key has signed two commitments that exclude each other. */
  readonly ownEquivocation: { readonly blockNumber: bigint; readonly submissionWindowEnd: bigint } | undefined
}

/** Who may sign, now and soon; and whether we may. */
export class Outlook {
  constructor(private readonly needs: Needs) {}

  /** @throws KernelError where store or chain does not answer */
  async signing(): Promise<SigningStanding> {
    const { signer, gate, chain, store, clock } = this.needs
    const [{ ownEquivocation }, { stats: { signing: { loss } } }] = await Promise.all([chain.standing(WITHIN), store.standing(WITHIN)])
    const closed = loss !== undefined && loss.closedUpTo * 1_000n > BigInt(Math.floor(clock.now()))
    return { signer, held: gate?.held === true, closedUpTo: closed ? loss.closedUpTo : undefined, ownEquivocation }
  }

  /** Who signs now and in the next windows, as the schedule tells; empty where it does not tell. Fails as the schedule does. */
  async upcoming(): Promise<readonly UpcomingSigner[]> {
    const { resolver, clock } = this.needs
    return await resolver.upcoming?.(BigInt(Math.floor(clock.now() / 1_000))) ?? []
  }

  /** The windows of the epoch of a time (s; left out: now) by L1; `undefined` where the schedule does not follow L1. */
  async windows(time?: number): Promise<readonly WindowRow[] | undefined> {
    return this.needs.schedule?.windows(time, WITHIN)
  }

  /** The end of our next window that ends within `seconds` from now, in seconds since the epoch, where the schedule names ends. */
  async ourWindowWithin(seconds: number): Promise<bigint | undefined> {
    const { signer, clock } = this.needs
    if (signer === undefined) return undefined
    const now = BigInt(Math.floor(clock.now() / 1_000))
    const upcoming = await this.upcoming()
    return upcoming.find(({ address, submissionWindowEnd: end }) =>
      end !== undefined && end >= now && end <= now + BigInt(seconds) && Buffer.compare(address, signer) === 0)?.submissionWindowEnd
  }
}

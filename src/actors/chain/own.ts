import { equalBytes } from '../../protocol/bytes.js'
import { COMMITMENT_SIZE, CommitmentView, SIGNED_COMMITMENT_SIZE } from '../../protocol/index.js'
import type { OwnSigned } from '../store/ingress.js'
import { ChainError } from './errors.js'
import { turnEndsAt } from './handover.js'
import type { SignedRecords } from './ports.js'

/** What we are about to sign or to publish: a commitment with its signature (382 bytes) or without (317). */
export type ToSign = OwnSigned

/**
 * Slashing protection (SPEC §7): compares with what we signed in the same window. The same commitment again is allowed.
 * @throws ChainError `conflicting_commitment`, `after_own_eop`, `eop_below_own_block`
 */
export function checkAgainstOwn(record: ToSign, before: readonly OwnSigned[]): void {
  const own = read(record)
  for (const each of before) {
    if (equalBytes(each.ssz.subarray(0, COMMITMENT_SIZE), record.ssz.subarray(0, COMMITMENT_SIZE))) return
  }
  for (const each of before.map(read)) {
    if (!own.bare && !each.bare && each.number === own.number) {
      throw new ChainError('conflicting_commitment', `we signed another commitment for height ${own.number} of this window`, own.number)
    }
    if (each.eop && own.number >= turnEndsAt(each)) {
      throw new ChainError('after_own_eop', `we ended our turn in this window before height ${own.number}`, own.number, turnEndsAt(each))
    }
    if (own.eop && each.number >= turnEndsAt(own)) {
      throw new ChainError('eop_below_own_block', `we signed height ${each.number} of this window, above this end of our turn`, own.number, each.number)
    }
  }
}

/**
 * Checks, and records durably before anything can leave. One after the other: two that conflict may be under way at once.
 * @throws ChainError as `checkAgainstOwn`, or `not_recorded`
 */
export class SlashingProtection {
  #last: Promise<unknown> = Promise.resolve()

  constructor(private readonly records: SignedRecords, private readonly within: number) {}

  record(record: ToSign): Promise<void> {
    const turn = this.#last.then(() => this.#record(record))
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async #record(record: ToSign): Promise<void> {
    const { number, window } = read(record)
    let outcome: Awaited<ReturnType<SignedRecords['recordSigned']>>
    try {
      checkAgainstOwn(record, await this.records.ownSigned(record.signer, window, this.within))
      outcome = await this.records.recordSigned(record, this.within)
    } catch (error) {
      if (error instanceof ChainError) throw error
      throw new ChainError('not_recorded', 'what we sign could not be recorded', number, undefined, { cause: error })
    }
    if (!outcome.recorded) throw new ChainError('conflicting_commitment', `we signed another commitment for height ${number} of this window`, number)
  }
}

function read({ ssz }: OwnSigned): { readonly number: bigint; readonly window: bigint; readonly eop: boolean; readonly bare: boolean } {
  const whole = ssz.length >= SIGNED_COMMITMENT_SIZE ? ssz : Uint8Array.from({ length: SIGNED_COMMITMENT_SIZE }, (_, at) => ssz[at] ?? 0)
  const { blockNumber, submissionWindowEnd, eop, isHandoverOnly } = new CommitmentView(whole)
  return { number: blockNumber, window: submissionWindowEnd, eop, bare: isHandoverOnly }
}

/** The stateful part of the verdict table of SPEC §6, one function per row. `undefined` means that the row does not apply. */
import { Finding, findingName, verdictOf } from '../../protocol/index.js'
import type { Commitment } from './commitment.js'
import type { Anchor, Link } from './links.js'
import { brokenTurnEnd } from './commitment.js'
import type { ConfirmedTip } from './ingress.js'
import type { CommitmentIndex } from './commitment-index.js'
import type { Judgement } from './ports.js'
import type { Known } from './schedule-cache.js'
import { MAX_HEIGHT } from './config.js'

export type Outcome = Omit<Judgement, 'hash'>

const ignore = (reason: string): Outcome => ({ verdict: 'ignore', reason, penalty: false })
/** A refusal that depends on our state or configuration: the author is at fault, and no relay (H85). */
export function authorsFault(reason: string): Outcome { return { verdict: 'ignore', reason, penalty: false, ofAuthor: true } }

export const ACCEPTED: Outcome = { verdict: 'accept', reason: 'accepted', penalty: false }
/** Accepted; it waits for its parent, which is not known. */
export const PENDING: Outcome = { verdict: 'accept', reason: 'pending_parent', penalty: false }
/** Accepted; another block holds its height. */
export const ASIDE: Outcome = { verdict: 'accept', reason: 'aside', penalty: false }

/** The schedule for that time was not known in time, or its lookup failed: never held against anybody (H05). */
export const SCHEDULE_UNKNOWN = ignore('schedule_unknown')
export const BEYOND_HORIZON = ignore('beyond_horizon')
/** Too many wait for their schedule. */
export const NOT_HELD = ignore('not_held')
/** The store lags behind: judged and forwarded, not adopted (docs/architecture.md). */
export const FORWARDED_ONLY: Outcome = { verdict: 'accept', reason: 'store_behind', penalty: false }
export const STORE_BEHIND = ignore('store_behind')
export const STORE_UNAVAILABLE = ignore('store_unavailable')
/** The application demoted it (SPEC §7): it returns only when it is named. */
export const DEMOTED = ignore('demoted')
export const DUPLICATE = ignore('duplicate')
export const RULES_FAILED = ignore('rules_failed')
export const RULES_OVERLOADED = ignore('rules_overloaded')
export const CONFLICTING = ignore('conflicting_commitment')
export const AFTER_OWN_EOP = ignore('after_own_eop')
export const EOP_BELOW_OWN = ignore('eop_below_own_block')
export const NOT_RECORDED = ignore('not_recorded')
export const WINDOW_CLOSED = ignore('window_closed')

/** Undecodable, bad signature, wrong slasher, non-EOP with zero hash; high-S: what the worker found. */
export function byFinding(finding: number): Outcome | undefined {
  if (finding === Finding.valid) return undefined
  if (finding === Finding.wrong_slasher) return authorsFault(findingName(finding))
  const { verdict, penalty } = verdictOf(finding)
  return { verdict, penalty, reason: findingName(finding) }
}

/** A height above 2^64 − 2: kept nowhere, and no relay need know better (H45). */
export function outOfReach({ number }: Commitment): Outcome | undefined {
  return number > MAX_HEIGHT ? ignore('height_out_of_range') : undefined
}

/** Our own, while blocks of elected signers are known that wait above our head: it would build on a stale one (H75). */
export function behind(commitment: Commitment, memory: CommitmentIndex): Outcome | undefined {
  const { number, key } = commitment
  if (memory.blockAt(number) !== undefined || memory.childrenOf(key).length > 0) return undefined
  return (memory.highestPending(number) ?? number - 1n) < number ? undefined : ignore('behind')
}

/** At or below the confirmed tip given by the application. */
export function belowConfirmedTip({ number }: Commitment, tip: ConfirmedTip | undefined): Outcome | undefined {
  return tip !== undefined && number <= tip.blockNumber ? ignore('below_confirmed_tip') : undefined
}

/** So far below the head that it lies in the store only. */
export function tooOld({ number }: Commitment, floor: bigint, anchor: Anchor | undefined): Outcome | undefined {
  return anchor !== undefined && number < floor ? ignore('too_old') : undefined
}

/** Already have this one; the same commitment bytes under another signature of its signer. */
export function alreadyHave(commitment: Commitment, memory: CommitmentIndex): Outcome | undefined {
  const known = memory.get(commitment.key)
  if (known === undefined || known.signerKey !== commitment.signerKey || !known.sameContent(commitment)) return undefined
  return known.standing === 'retired' ? DEMOTED : DUPLICATE
}

/** Already have this one, signed by another who may also sign here, or naming another slasher. */
export function sameUnderAnother(commitment: Commitment, memory: CommitmentIndex): Outcome | undefined {
  return memory.get(commitment.key) === undefined ? undefined : DUPLICATE
}

/** Not a slot end; signer is not the elected one. */
export function notElected({ signerKey }: Commitment, known: Known): Outcome | undefined {
  if (!known.slotEnd) return authorsFault('not_slot_end')
  return known.signers.has(signerKey) ? undefined : authorsFault('not_elected')
}

/**
 * Second, different commitment of the same signer for the same window and height: gives the first. One that the application has retired
 * bars nobody (H74).
 */
export function equivocates(commitment: Commitment, memory: CommitmentIndex): { refusal: Outcome | undefined; first: Commitment } | undefined {
  const { slot } = commitment
  const first = slot === undefined ? undefined : memory.first(slot)
  if (first === undefined || first.sameContent(commitment)) return undefined
  return { refusal: first.standing === 'retired' ? undefined : ignore('equivocation'), first }
}

/** Non-EOP of the same signer and window above its EOP's, in the order of the chain: gives that EOP. */
export function afterItsEop(commitment: Commitment, memory: CommitmentIndex): { refusal: Outcome; end: Commitment } | undefined {
  const end = brokenTurnEnd(commitment, memory.endsOf(commitment.turn))
  return end === undefined ? undefined : { refusal: ignore('after_eop'), end }
}

/** More hand-overs beside one height than anybody needs. */
export function tooManyHandovers({ handoverOnly, number }: Commitment, memory: CommitmentIndex, limit: number): Outcome | undefined {
  return handoverOnly && memory.handoversAt(number).length >= limit ? ignore('too_many_handovers') : undefined
}

/** Parent known by hash and number is not parent + 1. */
export function misnumbered(link: Link): Outcome | undefined {
  return link === 'misnumbered' ? ignore('misnumbered') : undefined
}

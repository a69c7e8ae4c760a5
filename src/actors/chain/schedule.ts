import { fromHex } from '../../protocol/index.js'
import { ChainError } from './errors.js'

/**
 * Who may sign in the submission window that ends at a slot (SPEC §6): 20-byte addresses, one or several; or that no slot ends there; or
 * that it is not known (yet), which is never held against anybody.
 */
export type ScheduleAnswer =
  | { readonly signer: Uint8Array }
  | { readonly signers: readonly Uint8Array[] }
  | 'not_slot_end'
  | 'unknown'

/**
 * The application's schedule. Asked once a window and remembered for a while; may answer at once or later, and is told by the signal when
 * nobody waits any more. What it throws counts as not known.
 */
export interface ScheduleResolver {
  (submissionWindowEnd: bigint, options: { readonly signal: AbortSignal }): ScheduleAnswer | Promise<ScheduleAnswer>
  /**
   * Who signs now and in the next windows, as far as that is known, at `now` (seconds of L1 time). May be left out: their first
   * commitments are then checked a little slower.
   */
  readonly upcoming?: (now: bigint) => readonly UpcomingSigner[] | Promise<readonly UpcomingSigner[]>
  /**
   * Called once: `changed` is to be called when the windows that end from `from` to `to` may have another answer than was given (a signer
   * ejected, an L1 reorg). What is remembered of them is forgotten, and what is held for them judged anew. May be left out: a mismatch with a
   * remembered answer is asked about again anyway. Ends with the signal.
   */
  readonly subscribe?: (changed: (from: bigint, to: bigint) => void, options: { readonly signal: AbortSignal }) => void
}

/** A signer of the near future: its address, and its window's end where it has but one. */
export interface UpcomingSigner { readonly address: Uint8Array; readonly submissionWindowEnd?: bigint | undefined }

/** From this window end on (seconds of L1 time, SPEC §3), until the next entry: one signer, or several of which each may. */
export interface ScheduleEntry { readonly from: bigint; readonly signer: string | Uint8Array | readonly (string | Uint8Array)[] }

/** Where slots end: at `genesis` and every `seconds` after it. */
export interface Slots { readonly genesis: bigint; readonly seconds: bigint }

/** These addresses (40 hex digits, 0x or not) may sign in every window. @throws ChainError `bad_schedule` */
export function scheduleFromSigners(addresses: readonly (string | Uint8Array)[]): ScheduleResolver {
  const signers = addressesOf(addresses)
  return Object.assign(() => ({ signers }), { upcoming: () => signers.map(address => ({ address })) })
}

/**
 * A table of turns. Before its first entry nothing is known. With `slots`, a window that does not end with a slot is refused.
 * @throws ChainError `bad_schedule`
 */
export function scheduleFromTable(entries: readonly ScheduleEntry[], options: { readonly slots?: Slots } = {}): ScheduleResolver {
  const table = entries.map(entry => {
    if (typeof entry.from !== 'bigint' || entry.from < 0n) throw new ChainError('bad_schedule', 'an entry\'s `from` is a bigint, a window\'s end in seconds', entry)
    return { from: entry.from, signers: addressesOf(Array.isArray(entry.signer) ? entry.signer as readonly (string | Uint8Array)[] : [entry.signer as string | Uint8Array]) }
  }).sort((a, b) => a.from < b.from ? -1 : a.from > b.from ? 1 : 0)
  if (table.length === 0) throw new ChainError('bad_schedule', 'the schedule has no entry', entries)
  const { slots } = options
  if (slots !== undefined && slots.seconds < 1n) throw new ChainError('bad_schedule', 'a slot is at least one second long', slots.seconds)
  /** The turn that a window belongs to; -1 before the first. */
  const turnAt = (window: bigint): number => {
    let low = 0
    let high = table.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (table[middle]!.from <= window) low = middle + 1
      else high = middle
    }
    return low - 1
  }
  const resolve = (window: bigint): ScheduleAnswer => {
    if (slots !== undefined && (window < slots.genesis || (window - slots.genesis) % slots.seconds !== 0n)) return 'not_slot_end'
    const turn = table[turnAt(window)]
    return turn === undefined ? 'unknown' : { signers: turn.signers }
  }
  const upcoming = (now: bigint): UpcomingSigner[] => {
    const current = Math.max(0, turnAt(now))
    return table.slice(current, current + TURNS_AHEAD).flatMap(({ signers }) => signers.map(address => ({ address })))
  }
  return Object.assign(resolve, { upcoming })
}

/** The turn that is on, and those after it whose signers are told of beforehand. */
const TURNS_AHEAD = 3

function addressesOf(addresses: readonly (string | Uint8Array)[]): readonly Uint8Array[] {
  if (addresses.length === 0) throw new ChainError('bad_schedule', 'there is no signer', addresses)
  return addresses.map(address => {
    try {
      const bytes = typeof address === 'string' ? fromHex(address, ADDRESS) : address
      if (bytes instanceof Uint8Array && bytes.length === ADDRESS) return bytes
    } catch { /* said below, with the value */ }
    throw new ChainError('bad_schedule', `not an address of 40 hex digits: ${describe(address)}`, address)
  })
}

const ADDRESS = 20
const describe = (value: unknown): string => typeof value === 'string' ? JSON.stringify(value) : typeof value

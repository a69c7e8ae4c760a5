/** What L1 says, as this room knows it. Times are seconds; addresses and hashes are lower-case hex with 0x. */

export type Hex = `0x${string}`

/** The three generations of contracts (docs/schedule.md). */
export type Variant = 'lookahead' | 'packed-lookahead' | 'whitelist'

export interface Header {
  readonly number: number
  readonly hash: Hex
  readonly parentHash: Hex
  readonly time: number
  /** Zeros on a chain without EIP-4788. */
  readonly beaconRoot: Hex
  /** `undefined` where the endpoint does not tell: then logs are asked for in any case. */
  readonly logsBloom: Hex | undefined
}

/** A posted slot: the deadline of the stretch since the one before it. */
export interface PostedSlot {
  readonly committer: Hex
  readonly time: number
  /** The operator's registration root. */
  readonly root: Hex
}

/** An operator of the whitelist, in the order of the mapping. */
export interface Operator {
  readonly proposer: Hex
  readonly sequencer: Hex
  readonly activeSince: number
}

/** The whitelist as it was for a while. */
export interface Roster {
  readonly operators: readonly Operator[]
  /** From this epoch on every listed operator counts, whatever its `activeSince` says. */
  readonly latestActivation: number
}

export type Fact =
  /** `slots` undefined: they were not to be found, or break the contract's own rules. */
  | { readonly kind: 'posted'; readonly epoch: number; readonly slots: readonly PostedSlot[] | undefined }
  /** Whether an operator of the lookahead may act; `undefined`: it has changed, and how is not known yet. */
  | { readonly kind: 'activity'; readonly root: Hex; readonly active: boolean | undefined }
  | { readonly kind: 'added'; readonly operator: Operator }
  | { readonly kind: 'removed'; readonly proposer: Hex; readonly sequencer: Hex }

/** A block of L1 with what it says of the schedule. */
export interface Block extends Omit<Header, 'logsBloom'> { readonly facts: readonly Fact[] }

/** A fact of a block that is not kept itself. */
export interface TimedFact { readonly time: number; readonly fact: Fact }

export const ZERO_ADDRESS: Hex = `0x${'0'.repeat(40)}`
export const ZERO_HASH: Hex = `0x${'0'.repeat(64)}`

import { LRUCache } from 'lru-cache'
import { COMMITMENT_SIZE, CommitmentView, Finding } from '../../protocol/index.js'
import type { LossKind, OwnSigned, SignedWindow } from '../store/ingress.js'
import { isOwn } from './pending-commitment.js'
import type { PendingCommitment, Proposal } from './pending-commitment.js'
import type { Commitment } from './commitment.js'
import { keyOf } from './commitment.js'
import { ChainError } from './errors.js'
import type { Checked } from './ingress.js'
import { errorOf, refusalByRecords } from './refusals.js'
import { SignedLedger, wholeOf } from './signed-ledger.js'
import type { ChainState } from './state.js'
import { DUPLICATE } from './verdicts.js'
import type { Outcome } from './verdicts.js'

/** Name under which the store keeps that a catch-up has ended in this directory: from then on what we signed is recorded here. */
export const SETTLED = 'signing.settled'
/** Name under which the store keeps the last equivocation of our own key, as JSON. */
export const EQUIVOCATION = 'signing.equivocation'

/** How often what is out of date is pruned, ms. */
const PRUNE_EVERY = 3_600_000
/** Commitments that our rules have let us sign, until they come back signed. */
const GRANTED = 256

/** Two commitments that bear our key and exclude each other. */
export interface OwnEquivocation { readonly blockNumber: bigint; readonly submissionWindowEnd: bigint }

/** What the store gives for this desk at start. */
export interface RestoredSigning {
  readonly closedUpTo: bigint | undefined
  /** Why, where records may be missing, and when that was found, ms. */
  readonly loss: { readonly what: LossKind; readonly at: number } | undefined
  /** As kept under `SETTLED` and `EQUIVOCATION`. */
  readonly settled: string | undefined
  readonly equivocation: string | undefined
  /** False where everything is kept in memory only: there is no directory that could be new. */
  readonly durable: boolean
}

/** Our own (SPEC §7, What we signed): what may be signed, what was, and what others show of our key. */
export class SlashingProtection {
  readonly ledger: SignedLedger
  readonly #granted = new LRUCache<string, Commitment['ruled']>({ max: GRANTED })
  /** Our signer works in a directory in which no catch-up has ended yet: what others show of our key may be more than what is recorded. */
  #isNew = false
  #equivocation: OwnEquivocation | undefined
  /** Told when what a catch-up showed of our key has been looked at. */
  readonly #settled: (() => void)[] = []
  #prunedAt = 0

  constructor(private readonly state: ChainState) {
    const { outside, changes, config } = state
    this.ledger = new SignedLedger({
      read: (signer, window) => { outside.readSigned(signer, window) },
      write: record => { changes.signed(record) },
      whenDurable: run => { state.whenDurable(run) },
      equivocated: (first, second) => { this.#equivocated(first, second) },
      unrecorded: () => { if (this.#isNew) this.#directoryIsLost() },
    }, config.ownAddresses)
  }

  restore({ closedUpTo, loss, settled, equivocation, durable }: RestoredSigning): void {
    if (closedUpTo !== undefined) this.ledger.close(closedUpTo)
    this.#isNew = durable && this.state.config.ownAddresses.length > 0 && settled === undefined
    this.#equivocation = parseEquivocation(equivocation)
    if (loss !== undefined) this.#close(this.#horizon(loss.at), loss.what, loss.at)
    if (this.state.config.ownAddresses.length > 0) this.#prune()
    else this.#prunedAt = this.state.outside.monotonic()
  }

  /** An equivocation of our own key whose window is remembered still. */
  get equivocation(): OwnEquivocation | undefined {
    const { closedUpTo } = this.ledger
    return this.#equivocation === undefined || (closedUpTo !== undefined && this.#equivocation.submissionWindowEnd <= closedUpTo) ? undefined : this.#equivocation
  }

  /** What a peer brings, or the store gives back: if it bears our key, it counts as signed, whatever else is thought of it. */
  saw({ finding, signer, hash, bytes }: Pick<Checked, 'finding' | 'signer' | 'hash' | 'bytes'>): void {
    if (finding !== Finding.valid && finding !== Finding.high_s) return
    if (this.ledger.isOurs(keyOf(signer))) this.ledger.saw({ signer: signer.slice(), hash: hash.slice(), ssz: bytes.slice() })
  }

  /** Before anything else is looked at: `wait` until the window is known, or why our own must not be signed or sent. */
  admits(pending: PendingCommitment): 'yes' | 'wait' | { readonly refusal: Outcome; readonly error: unknown } {
    if (!isOwn(pending)) return 'yes'
    const record = recordOf(pending)
    if (!this.ledger.knows(record)) return 'wait'
    return this.#asRefusal(() => { this.ledger.check(record) })
  }

  /** Everything else allows it: our own is recorded with this turn, which is durable before it is signed or leaves. */
  take(pending: PendingCommitment): 'yes' | { readonly refusal: Outcome; readonly error: unknown } {
    if (!isOwn(pending)) return 'yes'
    if (pending.origin.kind === 'proposal') this.#granted.set(contentOf(pending.commitment), pending.commitment.ruled)
    return this.#asRefusal(() => { this.ledger.record(recordOf(pending)) })
  }

  /** To who is about to sign. What is here already was signed, and may be again. @param error of the ledger */
  answer(pending: PendingCommitment, { granted, refused }: Proposal, refusal: Outcome, error: unknown): void {
    const taken = refusal === DUPLICATE ? this.take(pending) : refusal.verdict === 'accept' ? 'yes' : { error }
    if (taken === 'yes') this.state.whenDurable(granted)
    else refused(taken.error ?? errorOf(refusal, pending.commitment.number))
  }

  /** What the rules have seen of it when it was to be signed: they are asked once (H56). */
  ruled(commitment: Commitment): Commitment['ruled'] { return this.#granted.get(contentOf(commitment)) ?? 'no' }

  known(signer: Uint8Array, window: bigint, answer: SignedWindow | undefined): void {
    if (answer === undefined) this.ledger.unknown(signer, window)
    else this.ledger.known(signer, window, answer)
    this.#settle()
  }

  /**
   * The first catch-up has ended: what our key signed before is recorded, or nobody has it.
   * @param settled run when what it showed has been looked at, and that is durable
   */
  caughtUp(settled: () => void): void {
    this.#settled.push(settled)
    this.#settle()
  }

  #settle(): void {
    if (this.#settled.length === 0 || this.ledger.isReading) return
    if (this.#isNew) this.#isSettled()
    for (const settled of this.#settled.splice(0)) this.state.whenDurable(settled)
  }

  #isSettled(): void {
    this.#isNew = false
    this.state.changes.meta(SETTLED, new Date(this.state.outside.wall()).toISOString())
  }

  /** Time has passed. */
  tick(): void {
    if (this.state.outside.monotonic() - this.#prunedAt >= PRUNE_EVERY) this.#prune()
  }

  #prune(): void {
    const { outside, changes, config } = this.state
    this.#prunedAt = outside.monotonic()
    changes.forgetSigned(seconds(outside.wall() - config.signedFor))
  }

  #asRefusal(run: () => void): 'yes' | { readonly refusal: Outcome; readonly error: unknown } {
    try {
      run()
      return 'yes'
    } catch (error) {
      if (error instanceof ChainError) return { refusal: refusalByRecords(error), error }
      throw error
    }
  }

  #equivocated(first: OwnSigned, second: OwnSigned): void {
    const { changes, outside } = this.state
    const { blockNumber, submissionWindowEnd } = placeOf(second)
    this.#equivocation = { blockNumber, submissionWindowEnd }
    changes.meta(EQUIVOCATION, JSON.stringify({ blockNumber: String(blockNumber), submissionWindowEnd: String(submissionWindowEnd) }))
    outside.event({ type: 'ownEquivocation', signer: second.signer, blockNumber, submissionWindowEnd, first: first.hash, second: second.hash })
  }

  #directoryIsLost(): void {
    const { outside } = this.state
    this.#isSettled()
    const at = outside.wall()
    const upTo = this.#horizon(at)
    this.#close(upTo, 'directory', at)
    outside.event({ type: 'recordsLost', what: 'directory', signingClosedUpTo: upTo })
  }

  /** The last window for which something may have been signed by then. */
  #horizon(at: number): bigint { return seconds(at + this.state.config.windowHorizon) + 1n }

  #close(upTo: bigint, what: LossKind, at: number): void {
    const { closedUpTo } = this.ledger
    if (closedUpTo !== undefined && upTo <= closedUpTo) return
    this.ledger.close(upTo)
    this.state.changes.closeSigning(upTo, what, at)
  }
}

const seconds = (ms: number): bigint => BigInt(Math.max(0, Math.floor(ms / 1_000)))

const contentOf = ({ signerKey, ssz }: Commitment): string => signerKey + keyOf(ssz.subarray(0, COMMITMENT_SIZE))

/** What is recorded of it: without its signature while it has none. */
function recordOf({ commitment, origin }: PendingCommitment): OwnSigned {
  const { signer, hash, ssz } = commitment.keep()
  return { signer, hash, ssz: origin.kind === 'proposal' ? ssz.slice(0, COMMITMENT_SIZE) : ssz }
}

function placeOf({ ssz }: OwnSigned): OwnEquivocation {
  const { blockNumber, submissionWindowEnd } = new CommitmentView(wholeOf(ssz))
  return { blockNumber, submissionWindowEnd }
}

function parseEquivocation(text: string | undefined): OwnEquivocation | undefined {
  if (text === undefined) return undefined
  try {
    const { blockNumber, submissionWindowEnd } = JSON.parse(text) as { readonly blockNumber: string; readonly submissionWindowEnd: string }
    return { blockNumber: BigInt(blockNumber), submissionWindowEnd: BigInt(submissionWindowEnd) }
  } catch {
    return undefined
  }
}

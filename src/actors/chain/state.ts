import type { ChainConfig } from './config.js'
import { Changes } from './changes.js'
import type { Commitment } from './commitment.js'
import { ForkChoice } from './fork-choice.js'
import type { ForkHooks } from './fork-choice.js'
import type { ConfirmedTip, Head } from './ingress.js'
import { CommitmentIndex } from './commitment-index.js'
import type { ChainEffects } from './effects.js'
import type { Judged } from './ports.js'
import { TxListLedger } from './txlists.js'
import { UnackedWrites } from './unacked-writes.js'
import type { HeadAt } from './unacked-writes.js'

/** No head: zeros (SPEC §7). */
export const NO_HEAD: Head = { blockNumber: 0n, submissionWindowEnd: 0n }

/** What the parts of this room share: the chain in memory, this turn's changes, and what the store has not acknowledged. */
export class ChainState {
  readonly memory: CommitmentIndex
  readonly changes = new Changes()
  readonly ledger: TxListLedger
  readonly unstored: UnackedWrites
  readonly canon: ForkChoice
  tip: ConfirmedTip | undefined
  /** What `updateHead` set. */
  override: Head | undefined
  /** The highest block that the application has demoted and that the chain has not passed again: up to there the store is asked first. */
  rewoundTop: bigint | undefined
  /** The head as of the last durable turn. */
  durable: HeadAt = { head: NO_HEAD, hash: undefined }
  /** Whom to tell when this turn is durable. */
  #whenDurable: (() => void)[] = []

  constructor(
    readonly outside: ChainEffects, readonly config: ChainConfig, sequence: number,
    hooks: Omit<ForkHooks, 'event'>,
  ) {
    this.ledger = new TxListLedger(config)
    this.memory = new CommitmentIndex(commitment => { if (commitment.standing === 'canonical') this.ledger.unname(commitment) })
    this.unstored = new UnackedWrites(sequence, config)
    this.canon = new ForkChoice(this.memory, this.changes, { ...hooks, event: event => outside.event(event) }, config)
  }

  /** The store is so far behind that nothing more is adopted (docs/architecture.md). */
  get full(): boolean { return this.unstored.isFull(this.changes.size) }

  get headNow(): HeadAt { return headAt(this.canon.head) }

  /** Runs when everything up to the end of this turn is durable. */
  whenDurable(run: () => void): void { this.#whenDurable.push(run) }

  /** Tells a ticket's holder when everything up to the end of this turn is durable. */
  ticketWhenDurable(judged: Judged, ticket: number): void { this.whenDurable(() => { void judged.send({ type: 'durable', ticket }) }) }

  /** Ends the turn: what it changed goes to the store. */
  flush(): void {
    const turn = this.changes.take()
    const waiting = this.#whenDurable
    this.#whenDurable = []
    const before = this.unstored.newest
    const entry = turn === undefined ? before : this.unstored.add(turn, this.headNow)
    if (turn !== undefined && entry !== undefined) void this.outside.write(entry.sequence, before?.sequence, turn.batch)
    if (entry === undefined) waiting.forEach(run => run())
    else entry.whenDurable.push(...waiting)
  }

  /** The store's acknowledgement: what was said of it may be told now. */
  acknowledged(sequence: number): void {
    for (const { turn, head, whenDurable } of this.unstored.acknowledge(sequence)) {
      for (const event of turn.events) this.outside.event(event)
      if (!sameHead(head, this.durable)) {
        this.durable = head
        this.outside.event({ type: 'head', head: head.head, hash: head.hash })
      }
      for (const run of whenDurable) run()
    }
  }

  /** The store has started again, or lacks a write: everything that it has not acknowledged, in order. */
  sendAgain(): void { for (const { sequence, after, batch } of this.unstored) void this.outside.write(sequence, after, batch) }
}

export function headAt(block: Commitment | undefined): HeadAt {
  return block === undefined
    ? { head: NO_HEAD, hash: undefined }
    : { head: { blockNumber: block.number, submissionWindowEnd: block.window }, hash: block.hash }
}

const sameHead = (a: HeadAt, b: HeadAt): boolean =>
  a.hash === b.hash || (a.hash !== undefined && b.hash !== undefined && Buffer.compare(a.hash, b.hash) === 0)

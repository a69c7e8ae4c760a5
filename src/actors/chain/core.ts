import { Finding, PreconfHeadCodec } from '../../protocol/index.js'
import type { CommitmentRecord, Restored } from '../store/ingress.js'
import { anchorBelow, anchorOfTip } from './anchor.js'
import type { Commitment } from './commitment.js'
import { keyOf } from './commitment.js'
import type { ChainConfig } from './config.js'
import { ChainError } from './errors.js'
import type { ChainStanding, ConfirmedTip, Head } from './ingress.js'
import { Judge } from './judge.js'
import type { RestoredSigning } from './own-desk.js'
import type { Outside } from './outside.js'
import { REWOUND_TOP, Reorganiser, commitmentOf } from './reorg.js'
import { ChainState } from './state.js'
import { Trust } from './trust.js'
import { TxListDesk } from './txlist-desk.js'

/** What the store gives at start. */
export interface RestoredChain extends Pick<Restored, 'confirmedTip' | 'headOverride'> {
  readonly tail: Iterable<CommitmentRecord>
  readonly pending: Iterable<CommitmentRecord>
  /** The lowest canonical record, where there are more than the tail has: what the chain stands on without a tip. */
  readonly root?: CommitmentRecord | undefined
  /** As kept under `REWOUND_TOP`. */
  readonly rewoundTop: string | undefined
  readonly signing: RestoredSigning
}

/**
 * The stateful verdict and the chain it makes, without a kernel, a clock or I/O of its own: everything comes in through methods and goes
 * out through `Outside`. After each message the actor calls `flush`, which ends the turn.
 */
export class ChainCore {
  readonly state: ChainState
  readonly judge: Judge
  readonly txLists: TxListDesk
  readonly reorganiser: Reorganiser
  readonly trust: Trust
  #order = 0

  /** @param sequence of the last write of an earlier incarnation, or anything above it */
  constructor(outside: Outside, config: ChainConfig, sequence: number) {
    this.state = new ChainState(outside, config, sequence, {
      missingParent: (child, height) => {
        if (this.judge.isUnderWay(child.parentKey)) return
        void outside.gaps.send({ type: 'missingParent', hash: child.parentHash.slice(), height, from: child.from })
      },
      passedRules: commitment => this.judge.passedRules(commitment),
      broke: (child, parent) => this.judge.evidence.misbehaviour('misnumbered', child, parent === undefined ? [] : [parent]),
    })
    this.judge = new Judge(this.state)
    this.txLists = new TxListDesk(this.state)
    this.reorganiser = new Reorganiser(this.state)
    this.trust = new Trust(this.state)
  }

  /** Resumes from what the store kept, then moves to the tip of the configuration where that is higher. */
  restore({ tail, root, pending, confirmedTip, headOverride, rewoundTop, signing }: RestoredChain): void {
    const { state } = this
    this.judge.own.restore(signing)
    for (const { hash, signer, ssz } of [...tail, ...pending]) this.judge.own.saw({ finding: Finding.valid, hash, signer, bytes: ssz })
    const { canon, memory, ledger, config } = state
    state.override = headOverride
    state.rewoundTop = rewoundTop === undefined ? undefined : BigInt(rewoundTop)
    state.tip = confirmedTip
    const run = lastRun([...tail].map(record => commitmentOf(record, this.#order++)))
    const first = run[0]
    const last = run.findLast(({ bare }) => !bare)
    if (confirmedTip !== undefined) canon.anchor = anchorOfTip(confirmedTip)
    else if (first !== undefined) canon.anchor = anchorBelow(root === undefined ? first : commitmentOf(root, this.#order++))
    if (first !== undefined && (confirmedTip === undefined || (last ?? first).number >= confirmedTip.blockNumber)) {
      const full = run.length >= config.memoryBlocks
      canon.restore(run, full ? first.number : 0n)
      for (const commitment of run) ledger.restore(commitment)
    }
    for (const record of pending) {
      const commitment = commitmentOf(record, this.#order++)
      if (memory.get(commitment.key) !== undefined || memory.pending.size >= config.maxPendingParents) continue
      memory.add(commitment, 'pending')
      ledger.restore(commitment)
    }
    state.durable = state.headNow
    for (const commitment of [...memory.pending]) {
      if (canon.link(commitment) === 'unknown') canon.askForParent(commitment)
      else canon.offerAgain(commitment)
    }
    const configured = config.confirmedTip
    if (configured !== undefined && (confirmedTip === undefined || configured.blockNumber > confirmedTip.blockNumber)) {
      // Where the store had to be asked for the hash of a buried block, its own record of the chain counts.
      if (this.reorganiser.confirm(configured) === 'read_store') this.reorganiser.confirm({ blockNumber: configured.blockNumber })
    }
  }

  /** Time has passed. */
  tick(): void {
    this.judge.tick()
    this.judge.own.tick()
    this.txLists.tick()
    this.trust.tick()
  }

  /** Ends the turn. */
  flush(): void {
    const { state } = this
    const { head } = state.canon
    if (state.rewoundTop !== undefined && head !== undefined && head.number > state.rewoundTop + BigInt(state.config.maxReorgDepth)) {
      state.rewoundTop = undefined
      state.changes.meta(REWOUND_TOP, null)
    }
    state.flush()
  }

  /** Answers `get_head` (SPEC §7): the override, or the head as far as it is durable. */
  serveHead(request: number): void {
    const head = this.state.override ?? this.state.durable.head
    void this.state.outside.answers.send({ type: 'answer', request, body: PreconfHeadCodec.encode(head) })
  }

  updateHead(head: Head | undefined): void {
    this.state.override = head
    this.state.changes.override(head ?? null)
  }

  /** @returns `read_store`: see `Reorganiser` */
  rewind(to: bigint, records?: Iterable<CommitmentRecord>): 'done' | 'read_store' {
    if (records === undefined) return this.reorganiser.rewind(to)
    this.reorganiser.rewindTo(to, records, () => this.#order++)
    return 'done'
  }

  confirm(tip: ConfirmedTip, stored?: Uint8Array | 'none'): 'done' | 'read_store' { return this.reorganiser.confirm(tip, stored) }

  /** @param record what the store knows of it, where it is not in memory; `null` where that is nothing */
  reinstate(hash: Uint8Array, record?: CommitmentRecord | null): 'done' | 'read_store' {
    const known = this.state.memory.get(keyOf(hash))
    if (known === undefined && record === undefined) return 'read_store'
    if (known === undefined && record === null) throw new ChainError('unknown_block', 'no commitment of this hash is known', Buffer.from(hash).toString('hex'))
    this.reorganiser.reinstate(known ?? commitmentOf(record!, this.#order++))
    return 'done'
  }

  standing(): ChainStanding {
    const { durable, canon, tip, memory, unstored } = this.state
    return {
      head: durable.head, headHash: durable.hash, next: canon.next, confirmedTip: tip,
      pendingParents: memory.pending.size, pendingSchedule: this.judge.holding.size, unstored: unstored.commitments,
      ownEquivocation: this.judge.own.equivocation,
    }
  }
}

/** The last records without a gap between them, with the hand-overs beside them. */
function lastRun(tail: Commitment[]): Commitment[] {
  let start = 0
  let next: bigint | undefined
  for (const [at, { number, bare }] of tail.entries()) {
    if (next !== undefined && number !== next) start = at
    next = bare ? number : number + 1n
  }
  return tail.slice(start)
}

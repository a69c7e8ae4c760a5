import { Finding, PreconfHeadCodec } from '../../protocol/index.js'
import type { CommitmentPut, CommitmentRecord, Restored } from '../store/ingress.js'
import { keyOf } from './commitment.js'
import type { Commitment } from './commitment.js'
import type { ChainConfig } from './config.js'
import { Decisions, REWOUND_TOP, checkHead, checkTip } from './decisions.js'
import { anchorOfTip } from './links.js'
import { HandoverFallback } from './handover-fallback.js'
import type { ChainStatus } from './ingress.js'
import { CommitmentPipeline } from './pipeline.js'
import type { RestoredSigning } from './slashing-protection.js'
import type { ChainEffects } from './effects.js'
import { ChainState } from './state.js'
import { TxListVerdicts } from './txlist-verdicts.js'
import { MAX_HEIGHT, MAX_WINDOW } from './config.js'

/** What the store gives at start. */
export interface RestoredChain extends Omit<Restored, 'durable' | 'tail' | 'beside' | 'stats'> {
  readonly tail: Iterable<CommitmentRecord>
  readonly beside: Iterable<CommitmentRecord>
  /** There are canonical records below the tail, or were before they were evicted. */
  readonly hasMore: boolean
  /** As kept under `REWOUND_TOP`. */
  readonly rewoundTop: string | undefined
  readonly signing: RestoredSigning
}

/**
 * The stateful verdict and the chain it makes, without a kernel, a clock or I/O of its own: everything comes in through methods and goes
 * out through `ChainEffects`. After each message the actor calls `flush`, which ends the turn.
 */
export class ChainCore {
  readonly state: ChainState
  readonly judge: CommitmentPipeline
  readonly txLists: TxListVerdicts
  readonly decisions: Decisions
  readonly handoverFallback: HandoverFallback
  #order = 0

  /** @param sequence the numbers of its writes begin above it; no other incarnation has them */
  constructor(outside: ChainEffects, config: ChainConfig, sequence: number) {
    this.state = new ChainState(outside, config, sequence, {
      missingParent: (child, height) => {
        if (this.judge.isUnderWay(child.parentKey)) return
        void outside.gaps.send({ type: 'missingParent', hash: child.parentHash.slice(), height, from: child.from })
      },
      passedRules: commitment => this.judge.passedRules(commitment),
      broke: (child, parent) => { this.judge.evidence.misbehaviour('misnumbered', child, [parent]) },
      tooDeep: (by, present, head) => { this.judge.evidence.deepReorg(by, present, head) },
      adopted: commitment => { this.txLists.adopted(commitment) },
      left: commitment => { this.txLists.left(commitment) },
    })
    this.judge = new CommitmentPipeline(this.state)
    this.txLists = new TxListVerdicts(this.state)
    this.decisions = new Decisions(this.state, () => this.#order++)
    this.handoverFallback = new HandoverFallback(this.state)
  }

  /** Resumes from what the store kept. What is out of reach is forgotten; what does not link waits for what is missing (H45, H58). */
  restore({ tail, beside, hasMore, confirmedTip, headOverride, root, mark, gaps, rewoundTop, signing }: RestoredChain): void {
    const { state } = this
    this.judge.own.restore(signing)
    for (const { hash, signer, ssz } of [...tail, ...beside]) this.judge.own.saw({ finding: Finding.valid, hash, signer, bytes: ssz })
    const { canon, memory, ledger, changes } = state
    state.rewoundTop = rewoundTop === undefined ? undefined : BigInt(rewoundTop)
    state.tip = valid(confirmedTip, checkTip)
    state.override = valid(headOverride, checkHead)
    canon.mark = mark ?? 0n
    if (state.tip !== undefined) canon.anchor = anchorOfTip(state.tip)
    else if (root !== undefined) canon.anchor = { kind: 'root', height: root.first - 1n, key: root.parentHash === undefined ? undefined : keyOf(root.parentHash) }

    const withoutParent = new Set(gaps.map(({ hash }) => keyOf(hash)))
    const above: Commitment[] = []
    for (const [, commitment] of this.#withinReach(tail)) {
      commitment.adoptedWithoutParent = withoutParent.has(commitment.key)
      if (canon.anchor === undefined || commitment.number > canon.anchor.height) above.push(commitment)
      else if (state.tip !== undefined) {
        memory.add(commitment, 'canonical')
        // The tip's own block is the head while it has no children.
        if (commitment.number === canon.anchor.height && !commitment.handoverOnly && [undefined, commitment.key].includes(canon.anchor.key)) canon.head = commitment
      }
    }
    const [first] = above
    if (first !== undefined) canon.anchor ??= { kind: 'root', height: first.number - 1n, key: first.parentKey }
    const loose = canon.restore(above, hasMore ? first?.number ?? 0n : 0n)
    for (const commitment of loose) {
      memory.add(commitment, 'pending')
      changes.touch(commitment)
    }
    if (loose.some(({ handoverOnly }) => !handoverOnly)) changes.rewind((canon.next ?? 0n) - 1n, 'supersession', false)
    for (const commitment of memory) if (commitment.standing === 'canonical') ledger.restore(commitment)
    for (const [record, commitment] of this.#withinReach(beside)) {
      if (memory.get(commitment.key) === undefined) memory.add(commitment, record.standing)
    }
    canon.settle()
    state.durable = state.headNow
    for (const commitment of [...memory.pending]) {
      if (canon.link(commitment) === 'unknown') canon.askForParent(commitment)
      else canon.offerAgain(commitment)
    }
  }

  * #withinReach<R extends CommitmentPut>(records: Iterable<R>): IterableIterator<readonly [R, Commitment]> {
    for (const record of records) {
      const commitment = this.decisions.commitment({ ...record, kept: true })
      if (commitment.number <= MAX_HEIGHT && commitment.window <= MAX_WINDOW) yield [record, commitment]
      else this.state.changes.forget(commitment)
    }
  }

  /** Time has passed. */
  tick(): void {
    this.judge.tick()
    this.judge.own.tick()
    this.txLists.tick()
    this.handoverFallback.tick()
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

  standing(): ChainStatus {
    const { durable, canon, tip, memory, unstored } = this.state
    return {
      head: durable.head, headHash: durable.hash, next: canon.next, rootedByChance: canon.rootedByChance, confirmedTip: tip,
      highest: memory.highestPending(canon.next), pendingParents: memory.pending.size, pendingSchedule: this.judge.holding.size, unstored: unstored.commitments,
      ownEquivocation: this.judge.own.equivocation,
    }
  }
}

/** What an earlier version may have kept although it is out of reach. */
function valid<T>(value: T | undefined, check: (value: T) => void): T | undefined {
  try {
    if (value !== undefined) check(value)
    return value
  } catch {
    return undefined
  }
}

import { LRUCache } from 'lru-cache'
import type { Commitment } from './commitment.js'
import { turnEndsAt } from './commitment.js'
import type { ChainState } from './state.js'

/** Pieces of evidence remembered, so that the same one is told once. */
const REMEMBERED = 4_096

/** Tells and keeps what convicts a signer (SPEC §6): both signed messages, each pair once. */
export class EvidenceCollector {
  readonly #told = new LRUCache<string, true>({ max: REMEMBERED })

  constructor(private readonly state: ChainState) {}

  /** A second, different commitment for the same window and height. */
  equivocation(first: Commitment, second: Commitment): void {
    if (this.#isTold(`e${first.key}${second.key}`)) return
    const { signer, number } = second
    this.#keep('equivocation', 'equivocation', second, [first.ssz, second.ssz.slice()])
    this.state.outside.event({ type: 'equivocation', first: first.ssz, second: second.ssz.slice(), signer: signer.slice(), blockNumber: number })
  }

  /** What a signer must not sign, by the chain's own rules; with what shows it. */
  misbehaviour(reason: string, commitment: Commitment, others: readonly Commitment[]): void {
    if (this.#isTold(`${reason}${commitment.key}${others.map(({ key }) => key).join('')}`)) return
    const { signer, number } = commitment
    const evidence = [...others.map(({ ssz }) => ssz), commitment.ssz.slice()]
    this.#keep('misbehaviour', reason, commitment, evidence)
    this.state.outside.event({ type: 'misbehaviour', reason, evidence, signer: signer.slice(), blockNumber: number })
  }

  /** An end of turn that came after blocks that it should have followed: those stay (the first stays, H10), and it is told. */
  lateEnd(end: Commitment): void {
    if (!end.eop) return
    for (const block of this.state.memory) {
      if (!block.eop && block.turn === end.turn && block.number >= turnEndsAt(end)) this.misbehaviour('after_eop', block, [end])
    }
  }

  /** What would demote deeper than the bound: the chain stays, and the application decides (SPEC §7). */
  deepReorg(by: Commitment, present: Commitment | undefined, head: bigint): void {
    if (this.#isTold(`d${by.key}`)) return
    const evidence = [...present === undefined ? [] : [present.ssz], by.ssz]
    this.state.outside.event({ type: 'deepReorg', hash: by.hash, blockNumber: by.number, head, evidence })
  }

  #isTold(key: string): boolean {
    if (this.#told.has(key)) return true
    this.#told.set(key, true)
    return false
  }

  #keep(kind: 'equivocation' | 'misbehaviour', reason: string, { signer, number, window }: Commitment, messages: readonly Uint8Array[]): void {
    this.state.changes.evidence({
      kind, reason, signer: signer.slice(), blockNumber: number, submissionWindowEnd: window, messages, seenAt: this.state.outside.wall(),
    })
  }
}

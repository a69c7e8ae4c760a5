import { TXLIST_HEADER_SIZE } from '../../protocol/index.js'
import type { Commitment } from './commitment.js'
import type { Checked, Origin } from './ingress.js'
import type { Judgement } from './ports.js'
import type { ChainState } from './state.js'
import * as outcomes from './verdicts.js'
import type { Outcome } from './verdicts.js'

const KNOWN: Outcome = { verdict: 'ignore', reason: 'duplicate', penalty: false }
/** No commitment names it, and its sender's share, or the whole, is used up (H13). */
const NO_ROOM: Outcome = { verdict: 'ignore', reason: 'no_room', penalty: false }

/**
 * The verdict on a txlist (SPEC §6, Txlists): one that an accepted commitment names is taken and earns reputation; one that none names
 * (yet) is taken within its sender's share, and earns it when one does; one that is here is ignored.
 */
export class TxListVerdicts {
  constructor(private readonly state: ChainState) {}

  take(items: readonly Checked[]): void {
    for (const item of items) this.#report(item.origin, { ...this.#judge(item), hash: item.hash.slice() })
  }

  /** It was damaged, and the store has it no more: where a block names it, it is fetched again. */
  lost(hash: Uint8Array, height: bigint | undefined): void {
    const { ledger, memory, outside } = this.state
    ledger.lost(hash, height)
    if (height === undefined) return
    const signer = memory.blockAt(height)?.signer.slice() ?? new Uint8Array(20)
    void outside.gaps.send({ type: 'missingTxList', hash, height, from: undefined, signer })
  }

  /** Unnamed ones whose time is over make room. */
  tick(): void {
    const { ledger, changes, outside } = this.state
    for (const { hash } of ledger.expire(outside.monotonic())) changes.forgetTxList(hash)
  }

  /** A block has become canonical: it names its txlist, which is fetched where it is missing (H51). */
  adopted(block: Commitment): void {
    const { ledger, changes, outside } = this.state
    const { txListHash: hash, number, from, signer } = block
    const named = ledger.name(block)
    if (hash === undefined || named === undefined) return
    // Where it is missing, the store may have it from an earlier run.
    changes.reference(hash, number)
    if (named.kind === 'missing') void outside.gaps.send({ type: 'missingTxList', hash, height: number, from, signer })
    else if (named.broughtBy !== undefined) void outside.outcomes.send({ type: 'report', peer: named.broughtBy, outcome: 'accepted' })
  }

  /** A block is canonical no more: nobody wants its txlist for it. */
  left(block: Commitment): void {
    const { txListHash: hash } = block
    if (!this.state.ledger.left(block) && hash !== undefined) void this.state.outside.gaps.send({ type: 'haveTxList', hash })
  }

  #judge({ finding, bytes, hash: view, origin }: Checked): Outcome {
    const { ledger, changes, outside, unstored, full } = this.state
    const refusal = outcomes.byFinding(finding)
    if (refusal !== undefined) return refusal
    const hash = view.slice()
    const size = bytes.length - TXLIST_HEADER_SIZE
    const from = origin.kind === 'own' ? undefined : origin.peer
    const asked = origin.kind === 'sync'
    const admission = ledger.admit(hash, size, from)
    if (admission.kind === 'known') return KNOWN
    // What sync asked for by its hash is named by a commitment, though that may have left the memory.
    const blockNumber = admission.kind === 'referenced' ? admission.blockNumber : origin.kind === 'sync' ? origin.height : undefined
    if (admission.kind === 'no_room' && !asked) return NO_ROOM
    if (full) return origin.kind === 'gossip' && blockNumber !== undefined ? outcomes.FORWARDED_ONLY : outcomes.STORE_BEHIND
    if (blockNumber === undefined && from !== undefined && !asked && !unstored.hasRoomFor(size)) return outcomes.STORE_BEHIND

    if (blockNumber !== undefined) ledger.addReferenced(hash)
    else ledger.addUnreferenced(hash, size, asked ? undefined : from, outside.monotonic())
    // A copy: a view would keep, and later clone, the buffer that it came in.
    const txList = bytes.slice(TXLIST_HEADER_SIZE)
    changes.txList(hash, txList, { blockNumber, peer: asked ? undefined : from })
    outside.event({ type: 'txList', hash, txList, from })
    if (blockNumber !== undefined) {
      void outside.gaps.send({ type: 'haveTxList', hash })
      if (origin.kind === 'gossip') void outside.outcomes.send({ type: 'report', peer: origin.peer, outcome: 'accepted' })
    }
    return outcomes.ACCEPTED
  }

  #report(origin: Origin, judgement: Judgement): void {
    const { outside } = this.state
    const { verdict, reason, penalty } = judgement
    if (origin.kind === 'gossip') {
      void outside.verdicts.send({ type: 'verdict', messageId: origin.messageId, peer: origin.peer, verdict, reason })
      if (penalty) void outside.outcomes.send({ type: 'report', peer: origin.peer, outcome: 'failure' })
    } else {
      const judged = origin.kind === 'own' ? outside.ownJudged : outside.judged
      const again = origin.kind === 'own' && reason === KNOWN.reason
      void judged.send({ type: 'judged', ticket: origin.ticket, results: [again ? { ...judgement, verdict: 'accept' } : judgement] })
      if (verdict === 'accept' || again || origin.kind === 'sync') this.state.ticketWhenDurable(judged, origin.ticket)
    }
    if (verdict !== 'accept') {
      outside.event({ type: 'rejected', topic: 'txLists', from: origin.kind === 'own' ? undefined : origin.peer, reason, verdict })
    }
  }
}

import { CommitmentView, ProtocolError, SIGNED_COMMITMENT_SIZE, viewPage } from '../../protocol/index.js'
import type { FaultReason } from './ingress.js'

/** What was asked: blocks from `start` on, at most `count` commitments (SPEC §3, inclusive). */
export interface AskedPage {
  readonly start: bigint
  readonly count: number
  /** Blocks above this height are not used, though they were asked for: hand-overs make the number of blocks in a page uncertain. */
  readonly through?: bigint
  /** Without an anchor the chain begins wherever the peer's does: what comes first counts as `start`. */
  readonly anywhere?: boolean
}

/** A page of commitments that may go to the validator. */
export interface CheckedPage {
  /** Of the response, what follows `start` without a gap: n × 382 bytes. Hand-overs stand before the block of their height. */
  readonly bytes: Uint8Array
  readonly count: number
  /** Height of the first block in `bytes`, or that would be. */
  readonly start: bigint
  /** The height after the last block in `bytes`; `start` where there is none. */
  readonly next: bigint
  /** `bytes` end with a hand-over that stands beside `next`. */
  readonly handsOver: boolean
  /** Commitments in the response, used or not. */
  readonly received: number
  /** The response holds as many as were asked for: that it ends says nothing. */
  readonly full: boolean
  /** Height at which the response goes on after a gap at `next`, where it does. */
  readonly resumes: bigint | undefined
  /** What of it lies behind the gap, up to what was wanted: chain keeps it until the gap is filled. */
  readonly beyond: Uint8Array
}

export interface PageFault { readonly reason: FaultReason; readonly detail: string }

export type PageCheck = { readonly ok: true; readonly page: CheckedPage } | { readonly ok: false; readonly fault: PageFault }

/**
 * Checks a `GetCommitmentsByNumberResponse` against its request, without a hash or a signature (SPEC §9): decodable, no more than asked,
 * ascending, each block once, nothing below `start`. A gap is no fault: nodes may lack a block, and some answer with what they have above
 * the asked range. Everything here costs microseconds; what is valid and linked is for validator and chain.
 */
export function checkPage(body: Uint8Array, asked: AskedPage): PageCheck {
  let records: Uint8Array
  try {
    records = viewPage(body)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return fault(error.code === 'list_too_long' ? 'too_many' : 'undecodable', error.message)
  }
  const received = records.length / SIGNED_COMMITMENT_SIZE
  if (received > asked.count) return fault('too_many', `${received} commitments, asked for ${asked.count}`)
  const last = asked.start + BigInt(asked.count) - 1n
  let start = asked.start
  let next = asked.start
  let used = 0
  let handsOver = false
  let resumes: bigint | undefined
  let before: CommitmentView | undefined
  let wanted = 0
  for (let at = 0; at < received; at++) {
    const view = new CommitmentView(records, at * SIGNED_COMMITMENT_SIZE)
    const height = view.blockNumber
    if (height < asked.start) return fault('out_of_range', `block ${height}, asked from ${asked.start} on`)
    if (before === undefined) {
      if (asked.anywhere === true) start = next = height
    } else {
      const wrong = follows(before, view)
      if (wrong !== undefined) return wrong
    }
    before = view
    if (asked.through !== undefined && height > asked.through) continue
    wanted++
    if (resumes !== undefined) continue
    if (height !== next || (asked.anywhere !== true && height > last)) { resumes = height; continue }
    used++
    handsOver = view.isHandoverOnly
    if (!handsOver) next = height + 1n
  }
  const bytes = records.subarray(0, used * SIGNED_COMMITMENT_SIZE)
  return { ok: true, page: { bytes, count: used, start, next, handsOver, received, full: received === asked.count, resumes, beyond: records.subarray(used * SIGNED_COMMITMENT_SIZE, Math.max(used, wanted) * SIGNED_COMMITMENT_SIZE) } }
}

/** Whether one may stand behind the other: a higher block, or another commitment of a height that only hand-overs had so far. */
function follows(before: CommitmentView, view: CommitmentView): PageCheck | undefined {
  const height = view.blockNumber
  if (height > before.blockNumber) return undefined
  if (height < before.blockNumber) return fault('out_of_order', `block ${height} after ${before.blockNumber}`)
  if (!before.isHandoverOnly) {
    return view.isHandoverOnly ? fault('out_of_order', `a hand-over at ${height} after its block`) : fault('duplicate', `block ${height} twice`)
  }
  return same(before.commitmentBytes, view.commitmentBytes) ? fault('duplicate', `a hand-over at ${height} twice`) : undefined
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, at) => byte === b[at])

const fault = (reason: FaultReason, detail: string): PageCheck & { ok: false } => ({ ok: false, fault: { reason, detail } })

import { CommitmentView, ProtocolError, SIGNED_COMMITMENT_SIZE, viewPage } from '../../../protocol/index.js'
import type { FaultReason } from '../ingress.js'

/** A page request: blocks from `start` up, at most `count` commitments (SPEC §3, inclusive). */
export interface AskedPage {
  readonly start: bigint
  readonly count: number
  /** Blocks above this height are not used: hand-overs make the number of blocks in a page uncertain, so some are requested in excess. */
  readonly through?: bigint
  /** The first block of the response counts as `start`: without an anchor the chain begins where the peer's does. */
  readonly anywhere?: boolean
}

/** A page of commitments that may go to the validator. */
export interface CheckedPage {
  /** The contiguous part of the response from `start` up: n × 382 bytes. Hand-overs come before the block of their height. */
  readonly bytes: Uint8Array
  readonly count: number
  /** Height of the first block in `bytes`, or where it would be. */
  readonly start: bigint
  /** The height after the last block in `bytes`; `start` if there is none. */
  readonly next: bigint
  /** `bytes` end with a hand-over at height `next`. */
  readonly handsOver: boolean
  /** Commitments in the response, used or not. */
  readonly received: number
  /** The response holds as many commitments as were requested, so the peer may have more. */
  readonly full: boolean
  /** The height of the first block after a gap at `next`, if there is one. */
  readonly resumes: bigint | undefined
  /** The blocks above the gap, as far as they were wanted: chain keeps them until the gap is filled. */
  readonly beyond: Uint8Array
}

export interface PageFault { readonly reason: FaultReason; readonly detail: string }

export type PageCheck = { readonly ok: true; readonly page: CheckedPage } | { readonly ok: false; readonly fault: PageFault }

/**
 * Checks a `GetCommitmentsByNumberResponse` against its request, without hashes or signatures (SPEC §9): decodable, no more than
 * requested, ascending, each block once, nothing below `start`. A gap is no fault: nodes may lack a block, and some answer with blocks
 * above the requested range. Costs microseconds; validator and chain decide what is valid and linked.
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

/** The fault, if `view` may not follow `before`: it must be a higher block, or come after a hand-over of the same height. */
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

import type { Anchor } from './anchor.js'
import type { Commitment } from './commitment.js'
import type { Memory } from './memory.js'

/**
 * How a commitment stands to the canonical chain by its parent link (SPEC §6, found by hash):
 * `linked` its parent is canonical; `aside` its parent is known and not canonical; `waiting` its parent is known and waits itself;
 * `unknown` its parent is not known; `misnumbered` its parent is known, and this is not the number that follows it.
 */
export type Link = 'linked' | 'aside' | 'waiting' | 'unknown' | 'misnumbered'

export function linkOf(commitment: Commitment, memory: Memory, anchor: Anchor | undefined): Link {
  const { parentKey, number } = commitment
  const parent = memory.get(parentKey)
  if (parent !== undefined && parent !== commitment) {
    if (number !== parent.next) return 'misnumbered'
    if (parent.standing === 'canonical') return 'linked'
    if (isFirst(commitment, anchor) && (anchor?.key === undefined || anchor.key === parentKey)) return 'linked'
    return parent.standing === 'pending' ? 'waiting' : 'aside'
  }
  if (anchor === undefined) return 'unknown'
  if (anchor.key === parentKey) {
    if (isFirst(commitment, anchor)) return 'linked'
    return anchor.kind === 'tip' ? 'misnumbered' : 'unknown'
  }
  if (anchor.key === undefined && isFirst(commitment, anchor)) return 'linked'
  if (commitment.onWord && (memory.blockAt(number - 1n) !== undefined || isFirst(commitment, anchor))) return 'linked'
  return 'unknown'
}

const isFirst = ({ number }: Commitment, anchor: Anchor | undefined): boolean => anchor !== undefined && number === anchor.height + 1n

import { keyOf } from './commitment.js'
import type { Commitment } from './commitment.js'
import type { ConfirmedTip } from './ingress.js'
import type { CommitmentIndex } from './commitment-index.js'

/**
 * What the canonical chain stands on (SPEC §7, Anchor): the application's confirmed tip, with its hash or without; or, where there is
 * none, whatever the first block stood on.
 */
export interface Anchor {
  readonly kind: 'tip' | 'root'
  /** The height below the first block of the chain. */
  readonly height: bigint
  /** What the first block must link to; `undefined` where its parent is not checked. */
  readonly key: string | undefined
}

export const anchorOfTip = ({ blockNumber, preconfirmationHash }: ConfirmedTip): Anchor =>
  ({ kind: 'tip', height: blockNumber, key: preconfirmationHash === undefined ? undefined : keyOf(preconfirmationHash) })

/**
 * How a commitment stands to the canonical chain by its parent link (SPEC §6, found by hash):
 * `linked` its parent is canonical; `aside` its parent is known and not canonical; `waiting` its parent is known and waits itself;
 * `unknown` its parent is not known; `misnumbered` its parent is known, and this is not the number that follows it.
 */
export type Link = 'linked' | 'aside' | 'waiting' | 'unknown' | 'misnumbered'

export function linkOf(commitment: Commitment, memory: CommitmentIndex, anchor: Anchor | undefined): Link {
  const { number, parentKey } = commitment
  const isFirst = anchor !== undefined && number === anchor.height + 1n
  const stands = isFirst && (anchor.key === undefined || anchor.key === parentKey)
  const parent = memory.get(parentKey)
  if (parent !== undefined && parent !== commitment) {
    if (number !== parent.next) return 'misnumbered'
    if (parent.standing === 'canonical' || stands) return 'linked'
    return parent.standing === 'pending' || parent.rival ? 'waiting' : 'aside'
  }
  if (stands) return 'linked'
  if (anchor?.kind === 'tip' && anchor.key === parentKey) return 'misnumbered'
  return commitment.adoptedWithoutParent && (memory.blockAt(number - 1n) !== undefined || isFirst) ? 'linked' : 'unknown'
}

/** The latest window's block beside the chain: a commitment, or what was built on it, at any depth. */
export function latestOn(memory: CommitmentIndex, below: Commitment): Commitment | undefined {
  let latest = below.handoverOnly ? undefined : below
  for (let group: readonly Commitment[] = [below]; group.length > 0;) {
    group = group.flatMap(each => memory.childrenOf(each.key).filter(({ standing }) => standing !== 'canonical' && standing !== 'retired'))
    for (const each of group) if (!each.handoverOnly && (latest === undefined || each.window > latest.window)) latest = each
  }
  return latest
}

/** What leads from the canonical chain to a commitment beside it, that included; `undefined` where nothing does. */
export function pathTo(latest: Commitment, memory: CommitmentIndex, anchor: Anchor | undefined): readonly [Commitment, ...Commitment[]] | undefined {
  const path: [Commitment, ...Commitment[]] = [latest]
  while (linkOf(path[0], memory, anchor) !== 'linked') {
    const parent = memory.get(path[0].parentKey)
    if (parent === undefined || parent.standing === 'canonical' || parent.standing === 'retired') return undefined
    path.unshift(parent)
  }
  return path
}

/** Lower heights first; of one height the latest window first, and of one window what came first. */
export const byWindow = (a: Commitment, b: Commitment): number =>
  a.number !== b.number ? (a.number < b.number ? -1 : 1) : a.window !== b.window ? (a.window > b.window ? -1 : 1) : a.order - b.order

import { CommitmentView, SIGNED_COMMITMENT_SIZE, fromHex, toHex } from '../../protocol/index.js'
import type { NodeProcess } from './node-process.js'
import { CONFIRMED_TIP } from './sequencer.js'
import type { Piece } from './sequencer.js'
import { messageOf } from '../../protocol/thrown.js'

const PAGE = 256n
/** A node's own store answers at once, unless the machine is slow, ms. */
const ANSWER_WITHIN = 60_000
const ZERO_HASH = '00'.repeat(32)

/** What of a node is asked. */
type Asked = Pick<NodeProcess, 'name' | 'call'>

/** One node's chain, held against what was published. */
export interface HeldChain {
  readonly node: string
  readonly commitments: number
  /** Whether it is, commitment by commitment and byte by byte, what was published. */
  readonly same: boolean
  readonly firstDifference: string | undefined
  readonly txListsMissing: number
}

/** Reads a node's own chain and txlists back and compares them. Never rejects: a node that does not answer holds nothing. */
export async function compare(node: Asked, pieces: readonly Piece[]): Promise<HeldChain> {
  try {
    const held = await chainOf(node)
    const expected = pieces.map(({ ssz }) => toHex(ssz))
    const at = Array.from({ length: Math.max(held.length, expected.length) }, (_, index) => index).find(
      index => held[index] !== expected[index],
    )
    return {
      node: node.name, commitments: held.length, same: at === undefined,
      firstDifference: at === undefined ? undefined : `at place ${at}, block ${pieces[at]?.blockNumber ?? 'beyond the end'}`,
      txListsMissing: await missingTxLists(node, pieces),
    }
  } catch (error) {
    return {
      node: node.name, commitments: 0, same: false, txListsMissing: pieces.filter(({ txList }) => txList !== undefined).length,
      firstDifference: messageOf(error),
    }
  }
}

/** How many of these txlists the node does not hold, byte by byte. */
async function missingTxLists(node: Asked, pieces: readonly Piece[]): Promise<number> {
  let missing = 0
  for (const { txList, txListHash } of pieces) {
    if (txList === undefined) continue
    const { txlist } = await node.call('storedTxList', { hash: toHex(txListHash) }, ANSWER_WITHIN)
    if (txlist !== toHex(txList)) missing++
  }
  return missing
}

/**
 * A node's canonical commitments, SSZ in hex, in block order. A page may end between a hand-over and the block of the same
 * height.
 */
async function chainOf(node: Asked): Promise<readonly string[]> {
  const held = new Set<string>()
  for (let start = CONFIRMED_TIP + 1n; ;) {
    const before = held.size
    const { commitments } = (await node.call('stored', { start: String(start), max: String(PAGE) }, ANSWER_WITHIN)) as {
      commitments: readonly string[]
    }
    for (const ssz of commitments) held.add(ssz)
    const last = commitments.at(-1)
    if (last === undefined || held.size === before) return [...held]
    start = nextAfter(last)
  }
}

function nextAfter(ssz: string): bigint {
  if (ssz.length !== 2 * SIGNED_COMMITMENT_SIZE) throw new Error(`a commitment of ${ssz.length / 2} bytes`)
  const view = new CommitmentView(fromHex(ssz))
  const handover = toHex(view.rawTxListHash) === ZERO_HASH
  return view.blockNumber + (handover ? 0n : 1n)
}

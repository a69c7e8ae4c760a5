import { CommitmentView, SignedCommitmentCodec, toHex } from '../../protocol/index.js'
import type { SignedCommitment } from '../../protocol/index.js'
import type { Clock } from '../kernel/index.js'
import type { Chain } from '../chain/ingress.js'
import type { CommitmentRecord, Store } from '../store/ingress.js'
import { PatientStore } from './patient-store.js'
import { cursorOf, parseCursor } from './cursor.js'
import type { Position } from './cursor.js'
import { ServiceError } from './errors.js'
import type { Wake } from './wake.js'

/** What the ordered stream gives (SPEC §7). */
export type StreamItem =
  /** The next canonical block, durable. Keep `cursor` once you are done with it: `from: cursor` goes on right behind. */
  | {
    readonly kind: 'block'; readonly cursor: string; readonly blockNumber: bigint; readonly commitment: SignedCommitment
    /** The commitment's SSZ, 382 bytes. */
    readonly ssz: Uint8Array
    /** Preconfirmation hash. */
    readonly hash: Uint8Array
    readonly signer: Uint8Array
    /** Its raw transaction list, where the stream was asked for complete blocks. */
    readonly txList: Uint8Array | undefined
  }
  /** Blocks above `to` are no longer canonical; those in their place follow. */
  | { readonly kind: 'rewind'; readonly to: bigint; readonly cursor: string | undefined }
  /** Blocks `from` to `to` are not here: below what is kept, or passed over by a jump of the confirmed tip. */
  | { readonly kind: 'skipped'; readonly from: bigint; readonly to: bigint }
  /** The txlist of this block has been missing for 30 s. The stream goes on waiting for it. */
  | { readonly kind: 'stalled'; readonly height: bigint }

export interface BlocksOptions {
  /** A height (that block is the first), or the cursor of the last block that you have (the one behind it is the first). */
  readonly from: bigint | string
  /** Complete blocks: each waits for its txlist. */
  readonly withTxList?: boolean
  readonly signal?: AbortSignal
}

interface Needs {
  readonly store: Store
  readonly chain: Pick<Chain, 'standing'>
  /** Woken when the head moves, the chain is rewound, or something was stored. */
  readonly news: Wake
  readonly clock: Clock
}

/** The same with a store that is read with patience. */
type Reading = Omit<Needs, 'store'> & { readonly store: PatientStore }

const WITHIN = 10_000
/** Records read at a time. Small, since a slow reader holds them. */
const PAGE = 64
const STALLED_AFTER = 30_000

/**
 * The ordered stream from a place on.
 * @throws ServiceError `bad_cursor` at once, not at the first item
 */
export function blocks(
  needs: Needs, { from, withTxList = false, signal: until }: BlocksOptions,
): AsyncGenerator<StreamItem, void, undefined> {
  const last = typeof from === 'string' ? parseCursor(from) : undefined
  const next = last === undefined ? checkHeight(from) : last.blockNumber + 1n
  const left = new AbortController()
  const signal = until === undefined ? left.signal : AbortSignal.any([until, left.signal])
  const reading = { ...needs, store: new PatientStore(needs, signal) }
  const items = untilGone(follow(reading, { last, next, withTxList, signal }), signal)
  // A generator alone would let `return` wait behind a `next` that waits for news.
  const end = items.return.bind(items)
  items.return = async () => {
    left.abort()
    return end()
  }
  return items
}

/** What was under way when the reader left, or the node stopped, is of no interest. */
async function * untilGone(
  items: AsyncGenerator<StreamItem, void, undefined>, signal: AbortSignal,
): AsyncGenerator<StreamItem, void, undefined> {
  try {
    yield * items
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

interface Following { last: Position | undefined; next: bigint; readonly withTxList: boolean; readonly signal: AbortSignal }

/**
 * The canonical chain in block order, from the store, then live. The reader's pace is its own: everything is read from the store
 * when it is asked for, so a slow one loses nothing and holds nothing up. Each round
 * 1. reads from the last block given on, that block included;
 * 2. if it is not there any more, the chain was rewound: goes back along its parents to the last one that is canonical still;
 * 3. gives what follows, or waits for news.
 */
async function * follow(
  needs: Reading, { last, next, withTxList, signal }: Following,
): AsyncGenerator<StreamItem, void, undefined> {
  const { store, news } = needs
  while (!signal.aborted) {
    const round = news.round
    const page = [...await store.scan(last?.blockNumber ?? next, PAGE)].filter(({ handover }) => !handover)
    if (last !== undefined && !page.some(isAt(last)) && await demoted(needs, last)) {
      last = await ancestor(needs, last)
      next = last.blockNumber + 1n
      yield { kind: 'rewind', to: last.blockNumber, cursor: last.hash.length === 0 ? undefined : cursorOf(last) }
      if (last.hash.length === 0) last = undefined
      continue
    }
    const fresh = page.filter(({ blockNumber }) => blockNumber >= next)
    for (const record of fresh) {
      if (record.blockNumber > next) yield { kind: 'skipped', from: next, to: record.blockNumber - 1n }
      const txList = withTxList ? yield * txListOf(needs, record, signal) : undefined
      if (txList === 'demoted') break
      if (txList === 'evicted') yield { kind: 'skipped', from: record.blockNumber, to: record.blockNumber }
      else yield blockItem(record, txList)
      last = record
      next = record.blockNumber + 1n
      // While the reader was busy the rest of the page may have been rewound.
      if (round !== news.round || signal.aborted) break
    }
    if (fresh.length === 0) await news.after(round, { signal, timer: needs.clock })
  }
}

function blockItem({ blockNumber, hash, ssz, signer }: CommitmentRecord, txList: Uint8Array | undefined): StreamItem {
  const commitment = SignedCommitmentCodec.decode(ssz)
  return { kind: 'block', cursor: cursorOf({ blockNumber, hash }), blockNumber, commitment, ssz, hash, signer, txList }
}

/**
 * Waits for a block's txlist. `demoted`: the block is not canonical any more, or the reader left; `evicted`: it was dropped for
 * lack of room.
 */
async function * txListOf(
  { store, news, clock }: Reading, record: CommitmentRecord, signal: AbortSignal,
): AsyncGenerator<StreamItem, Uint8Array | 'demoted' | 'evicted', undefined> {
  const hash = new CommitmentView(record.ssz).rawTxListHash
  const stallsAt = clock.monotonic() + STALLED_AFTER
  let saidStalled = false
  while (!signal.aborted) {
    const round = news.round
    const txList = await store.txList(hash)
    if (txList !== undefined) return txList
    if (await demoted({ store }, record)) return 'demoted'
    if (record.blockNumber < (await store.stats()).txListFloor) return 'evicted'
    const left = stallsAt - clock.monotonic()
    if (left <= 0 && !saidStalled) {
      saidStalled = true
      yield { kind: 'stalled', height: record.blockNumber }
    }
    await news.after(round, { signal, timer: clock, ...saidStalled ? {} : { ms: Math.max(1, left) } })
  }
  return 'demoted'
}

/** Whether a block that was given is not canonical any more. One that was pruned is not demoted. */
async function demoted({ store }: Pick<Reading, 'store'>, { hash, blockNumber }: Position): Promise<boolean> {
  const record = await store.commitment(hash)
  if (record !== undefined) return record.standing !== 'canonical'
  const stats = await store.stats()
  return stats.lowest === undefined || blockNumber >= stats.lowest
}

/** The nearest block below that is canonical still: along the parents, which the store keeps when it demotes them. */
async function ancestor({ store, chain }: Reading, from: Position): Promise<Position> {
  let at = await store.commitment(from.hash)
  while (at !== undefined && at.standing !== 'canonical') {
    at = await store.commitment(new CommitmentView(at.ssz).parentPreconfirmationHash)
  }
  // A hand-over stands on no height of its own: the block before it does.
  if (at !== undefined && !at.handover) return at
  const { confirmedTip } = await chain.standing(WITHIN)
  const tip = confirmedTip?.blockNumber ?? 0n
  const below = at === undefined ? tip : at.blockNumber - 1n
  return { blockNumber: below < from.blockNumber ? below : from.blockNumber - 1n, hash: new Uint8Array(0) }
}

const isAt = ({ hash }: Position) => {
  const text = toHex(hash)
  return (record: CommitmentRecord): boolean => toHex(record.hash) === text
}

function checkHeight(from: bigint | string): bigint {
  if (typeof from !== 'bigint' || from < 0n) throw new ServiceError('bad_cursor', 'from is a height or a cursor', from)
  return from
}

import { equalBytes } from '../../protocol/bytes.js'
import { CommitmentView, SignedCommitmentCodec } from '../../protocol/index.js'
import { cursorOf, parseCursor } from '../../protocol/cursor.js'
import type { Position, Told } from '../../protocol/cursor.js'
import type { StreamItem } from '../../protocol/stream-item.js'
import type { Clock } from '../kernel/index.js'
import type { Chain } from '../chain/ingress.js'
import type { CommitmentRecord, Store } from '../store/ingress.js'
import { PatientStore } from './patient-store.js'
import { ServiceError } from './errors.js'
import type { Wake } from './wake.js'

export type { StreamItem } from '../../protocol/stream-item.js'

export interface BlocksOptions {
  /** A height (that block is the first), or the cursor of the last item that you have dealt with. */
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
  const position = typeof from === 'string' ? checkCursor(from) : { blockNumber: checkHeight(from) - 1n, hash: undefined, told: undefined }
  const left = new AbortController()
  const signal = until === undefined ? left.signal : AbortSignal.any([until, left.signal])
  const reading = { ...needs, store: new PatientStore(needs, signal) }
  const items = untilGone(follow(reading, { position, isCursor: typeof from === 'string', withTxList, signal }), signal)
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

interface Following { readonly position: Position; readonly isCursor: boolean; readonly withTxList: boolean; readonly signal: AbortSignal }

/**
 * The canonical chain in block order, from the store, then live. The reader's pace is its own: everything is read from the store
 * when it is asked for, so a slow one loses nothing and holds nothing up. What was demoted, the store counts (SPEC §7): each round
 * 1. reads what follows on the last height told, then what was rewound since the last rewind told;
 * 2. tells the lowest height of all that was missed, once, and begins again; where that is not known, judges the reader by the hash it has;
 * 3. gives what follows, which is not older than what was told; or waits for news.
 */
async function * follow(
  needs: Reading, { position, isCursor, withTxList, signal }: Following,
): AsyncGenerator<StreamItem, void, undefined> {
  const { store, news } = needs
  let { blockNumber: last, hash, told } = position
  const cursor = (tag?: string): string => cursorOf({ blockNumber: last, hash, told }, tag)
  while (!signal.aborted) {
    const round = news.round
    const page = [...await store.scan(last + 1n, PAGE)].filter(({ handover }) => !handover)
    const since = await store.rewinds(told?.number ?? 0, told?.store)
    const known = told !== undefined && since.known
    if (!known || since.last !== told?.number || since.store !== told.store) {
      const to = known ? since.to : told !== undefined || isCursor ? await doubtful(needs, { blockNumber: last, hash, told }) : undefined
      if (to === 'empty') {
        await news.after(round, { signal, timer: needs.clock })
        continue
      }
      told = { store: since.store, number: since.last }
      if (to === undefined || (known && to >= last)) continue
      last = to
      hash = to < 0n ? undefined : (await store.blockAt(to))?.hash
      yield known ? { kind: 'rewind', to, cursor: cursor('r') } : { kind: 'rewind', to, reset: true, cursor: cursor('reset') }
      continue
    }
    for (const record of page) {
      if (record.blockNumber > last + 1n) {
        const from = last + 1n
        last = record.blockNumber - 1n
        hash = undefined
        yield { kind: 'skipped', from, to: last, cursor: cursor(`s${from}`) }
      }
      const txList = withTxList ? yield * txListOf(needs, record, told, signal) : undefined
      if (txList === 'rewound') break
      ;({ blockNumber: last, hash } = record)
      if (txList === 'evicted') yield { kind: 'skipped', from: last, to: last, cursor: cursor(`s${last}`) }
      else yield blockItem(record, txList, cursor())
      // While the reader was busy the rest of the page may have been rewound.
      if (round !== news.round || signal.aborted) break
    }
    if (page.length === 0) await news.after(round, { signal, timer: needs.clock })
  }
}

function blockItem({ blockNumber, hash, ssz, signer }: CommitmentRecord, txList: Uint8Array | undefined, cursor: string): StreamItem {
  return { kind: 'block', cursor, blockNumber, commitment: SignedCommitmentCodec.decode(ssz), ssz, hash, signer, txList }
}

/** Waits for a block's txlist. `rewound`: something was demoted, or the reader left; `evicted`: it was dropped for lack of room. */
async function * txListOf(
  { store, news, clock }: Reading, record: CommitmentRecord, told: Told, signal: AbortSignal,
): AsyncGenerator<StreamItem, Uint8Array | 'rewound' | 'evicted', undefined> {
  const hash = new CommitmentView(record.ssz).rawTxListHash
  const stallsAt = clock.monotonic() + STALLED_AFTER
  let saidStalled = false
  while (!signal.aborted) {
    const round = news.round
    const txList = await store.txList(hash)
    if (txList !== undefined) return txList
    if ((await store.rewinds(told.number, told.store)).last !== told.number) return 'rewound'
    const { txListFloor, lowest } = await store.stats()
    if (record.blockNumber < txListFloor || (lowest !== undefined && record.blockNumber < lowest)) return 'evicted'
    const left = stallsAt - clock.monotonic()
    if (left <= 0 && !saidStalled) {
      saidStalled = true
      yield { kind: 'stalled', height: record.blockNumber }
    }
    await news.after(round, { signal, timer: clock, ...saidStalled ? {} : { ms: Math.max(1, left) } })
  }
  return 'rewound'
}

/**
 * Whether a reader whose rewinds are not known (SPEC §7: an old cursor, one of another store, or one that was away for too many) has the
 * canonical chain: by the hash that it has. Gives `undefined` where it has; else the height to begin from anew: the confirmed tip, or for a
 * reader that is not above it below the lowest block that is kept (`empty`: none is).
 */
async function doubtful({ store, chain }: Reading, { blockNumber, hash }: Position): Promise<bigint | 'empty' | undefined> {
  const present = await store.blockAt(blockNumber)
  if (present !== undefined && hash !== undefined && equalBytes(present.hash, hash)) return undefined
  const { confirmedTip } = await chain.standing(WITHIN)
  if (hash !== undefined && confirmedTip?.blockNumber === blockNumber && confirmedTip.preconfirmationHash !== undefined) {
    if (equalBytes(confirmedTip.preconfirmationHash, hash)) return undefined
  }
  const { lowest } = await store.stats()
  if (confirmedTip === undefined && lowest === undefined) return 'empty'
  // A reader above the tip has what the tip settles. For one at or below it nothing says from where on it has another chain.
  const isAbove = confirmedTip !== undefined && (confirmedTip.blockNumber < blockNumber || lowest === undefined)
  const base = isAbove ? confirmedTip.blockNumber : lowest! - 1n
  const most = present === undefined ? blockNumber : blockNumber - 1n
  return base < most ? base : most
}

function checkCursor(from: string): Position {
  const position = parseCursor(from)
  if (position === undefined) throw new ServiceError('bad_cursor', 'a cursor is what items of the stream carry', from.slice(0, 120))
  return position
}

function checkHeight(from: bigint | string): bigint {
  if (typeof from !== 'bigint' || from < 0n) throw new ServiceError('bad_cursor', 'from is a height or a cursor', from)
  return from
}

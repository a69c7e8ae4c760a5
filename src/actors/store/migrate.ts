import { CommitmentView } from '../../protocol/view.js'
import { readCommitment } from './commitment-value.js'
import { forget, restand } from './commitments.js'
import { putGap, putRoot, readChainRecord, readMeta } from './ledger.js'
import { decodeHeight, isBlockKey, keyAfter, spaceEnd, spaceStart } from './schema.js'
import type { State } from './state.js'
import type { Storage } from './storage.js'
import type { Transaction } from './transaction.js'

/** Name under which chain keeps the highest block that the application has demoted, as a decimal string. */
export const REWOUND_TOP = 'chain.rewoundTop'

/** Heights and windows above these are not taken back from disk (SPEC §6, Values out of reach). */
const MOST_HEIGHT = (1n << 64n) - 2n
const MOST_WINDOW = (1n << 64n) - 1n

const STEP = 1_024

/**
 * Brings a database to the present schema, in the transaction that writes its new record. From version 1:
 * values out of reach are forgotten, blocks that do not link to the one below are recorded as adopted without their parent, the lowest
 * block becomes the root where there is no tip, and what the application had demoted is retired.
 * @param was `undefined` for a new one
 */
export async function migrate(txn: Transaction, state: State, was: number | undefined): Promise<void> {
  if (was === 1) await fromVersion1(txn, state)
}

async function fromVersion1(txn: Transaction, state: State): Promise<void> {
  const { confirmedTip } = await readChainRecord(txn)
  const rewoundTop = BigInt(await readMeta(txn, REWOUND_TOP) ?? -1)
  const links = new Set<string>()
  let top: bigint | undefined
  for await (const { number, isBlock, hash, ssz } of recordsOf(txn, 'c')) {
    const view = new CommitmentView(ssz)
    if (number > MOST_HEIGHT || view.submissionWindowEnd > MOST_WINDOW) { await forget(txn, state, hash); continue }
    const parentHash = Uint8Array.from(view.parentPreconfirmationHash)
    if (isBlock && top === undefined && confirmedTip === undefined) putRoot(txn, { first: number, parentHash })
    if (isBlock && top === number - 1n && !links.has(text(parentHash))) putGap(txn, { blockNumber: number, hash })
    if (isBlock) { links.clear(); top = number }
    links.add(text(hash))
  }
  for await (const { number, hash, ssz, standing } of recordsOf(txn, 'p')) {
    if (number > MOST_HEIGHT || new CommitmentView(ssz).submissionWindowEnd > MOST_WINDOW) await forget(txn, state, hash)
    else if (standing === 'demoted' && number <= rewoundTop) await restand(txn, state, hash, 'retired')
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

async function * recordsOf(txn: Pick<Storage, 'range'>, space: 'c' | 'p') {
  for (let gte = spaceStart(space); ;) {
    const entries = await txn.range({ gte, lt: spaceEnd(space), limit: STEP })
    for (const { key, value } of entries) yield { ...readCommitment(key, value), number: decodeHeight(key, 1), isBlock: isBlockKey(key) }
    const last = entries.at(-1)
    if (last === undefined || entries.length < STEP) return
    gte = keyAfter(last.key)
  }
}

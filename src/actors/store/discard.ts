import { HASH_SIZE, OFFSETS } from '../../protocol/layout.js'
import { readCommitment } from './commitment-value.js'
import { dropCommitment, waitAbove } from './commitments.js'
import type { Discarded } from './database.js'
import { StoreError } from './errors.js'
import { dropEvidence, numbered } from './ledger.js'
import { blockAbove, decodeHeight, isBlockKey, join } from './schema.js'
import type { Key } from './schema.js'
import { closeSigning } from './signed-records.js'
import type { State } from './state.js'
import type { Storage } from './storage.js'
import type { Transaction } from './transaction.js'
import { forgetTxList, readInfo } from './tx-lists.js'

/**
 * Takes one damaged record out (SPEC §7): what can be fetched again will be missed, and fetched; what its owner sets is set anew; after a
 * record of what we signed, nothing is signed for windows that may have been open (`closeUpTo`).
 * @returns undefined where it is of no kind that could be taken out, or is gone already
 */
export async function discard(
  txn: Transaction, state: State, key: Key, { waiting, closeUpTo, at }: { readonly waiting: boolean; readonly closeUpTo: bigint; readonly at: number },
): Promise<Discarded | undefined> {
  const there = await txn.get(key)
  if (there === undefined) return undefined
  const gone = (kind: Discarded['kind'], hash?: Uint8Array, blockNumber?: bigint): Discarded => ({ kind, hash, blockNumber })
  switch (String.fromCharCode(key[0] ?? 0)) {
    case 'c': case 'p': {
      const height = decodeHeight(key, 1)
      const hash = await hashOf(txn, key)
      await numbered(txn, state, async () => {
        await dropCommitment(txn, state, key, hash)
        if (waiting && isBlockKey(key)) await waitAbove(txn, state, height)
      })
      return gone('commitment', hash, height)
    }
    case 'i': {
      const hash = Uint8Array.from(key.subarray(1))
      const height = heightOf(there)
      await forgetTxList(txn, state, hash)
      return gone('txList', hash, height)
    }
    case 'e':
      dropEvidence(txn, state, key, there)
      return gone('evidence')
    case 'o':
      txn.remove(key)
      closeSigning(txn, state, closeUpTo, { what: 'signed', at })
      return gone('signed')
    case 'a': {
      const name = key.subarray(1).toString('utf8')
      if (name !== 'confirmedTip' && name !== 'headOverride' && name !== 'root') return undefined
      txn.remove(key)
      return gone(name)
    }
    default: return undefined
  }
}

/** Of the block that names a txlist, where one does. */
function heightOf(info: Uint8Array): bigint | undefined {
  try {
    const { height } = readInfo(info)
    return height === undefined ? undefined : decodeHeight(height, 0)
  } catch (error) {
    if (error instanceof StoreError && error.code === 'damaged') return undefined
    throw error
  }
}

/** The hash of a damaged commitment: in its key, or as its child names it. */
async function hashOf(from: Transaction | Storage, key: Key): Promise<Uint8Array | undefined> {
  if (!isBlockKey(key)) return Uint8Array.from(key.subarray(key.length - HASH_SIZE))
  const above = blockAbove(key)
  const child = await from.get(above)
  try {
    const parent = child === undefined ? undefined : readCommitment(above, child).ssz.subarray(OFFSETS.parentPreconfirmationHash, OFFSETS.parentPreconfirmationHash + HASH_SIZE)
    const index = parent === undefined ? undefined : await from.get(join('x', parent))
    return parent !== undefined && index !== undefined && Buffer.compare(index, key) === 0 ? Uint8Array.from(parent) : undefined
  } catch (error) {
    if (error instanceof StoreError && error.code === 'damaged') return undefined
    throw error
  }
}

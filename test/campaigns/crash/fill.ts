import { SETTLED } from '../../../src/actors/chain/slashing-protection.js'
import { fileDatabase } from '../../../src/actors/store/file-database.js'
import type { CommitmentPut, TxListPut } from '../../../src/actors/store/database.js'
import { DEFAULT_CHAIN_ID, SignedCommitmentCodec } from '../../../src/protocol/index.js'
import { BlockMaker, SIGNER, TIP } from './chain.js'
import type { WriterTask } from './wire.js'

const BATCH = 500n
/** Beside each commitment: their size is not what a start depends on. */
const TXLIST_BYTES = 300

/** Writes linked blocks straight into the database: `count` of them. Their signatures are made up: what is stored was checked before. */
export async function fill({ dataDir, seed, windowsFrom }: WriterTask, count: number): Promise<{ readonly head: bigint }> {
  const maker = await BlockMaker.create({ seed, windowsFrom: BigInt(windowsFrom), txListBytes: TXLIST_BYTES })
  const db = fileDatabase({ dataDir, chainId: DEFAULT_CHAIN_ID })
  await db.open()
  const head = TIP + BigInt(count)
  let parent: Uint8Array = new Uint8Array(32)
  for (let from = TIP + 1n; from <= head; from += BATCH) {
    const commitments: CommitmentPut[] = []
    const txLists: TxListPut[] = []
    for (let height = from; height < from + BATCH && height <= head; height++) {
      const { commitment, hash, txList, txListHash } = maker.block(height, parent)
      parent = hash
      commitments.push({ hash, signer: SIGNER, ssz: SignedCommitmentCodec.encode({ commitment, signature: new Uint8Array(65).fill(1) }), standing: 'canonical' })
      txLists.push({ hash: txListHash, bytes: txList, blockNumber: height })
    }
    await db.commit({ signed: commitments.map(({ hash, signer, ssz }) => ({ hash, signer, ssz })), commitments, txLists, confirmedTip: { blockNumber: TIP }, meta: [{ name: SETTLED, value: 'filled' }] })
  }
  await db.close()
  return { head }
}

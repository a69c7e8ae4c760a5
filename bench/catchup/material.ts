import { createHash } from 'node:crypto'
import { cp, mkdir, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import secp256k1 from 'secp256k1/bindings.js'
import { fileDatabase } from '../../src/actors/store/file-database.js'
import type { CommitmentPut, TxListPut } from '../../src/actors/store/database.js'
import {
  COMMITMENT_SIZE, DEFAULT_CHAIN_ID, DEFAULT_DOMAIN, PRECONFIRMATION_SIZE, SignedCommitmentCodec, addressOf, loadCrypto, signingHash,
} from '../../src/protocol/index.js'

/** What the types of the protocol's side leave out: signing, to be fast at setup. */
interface Signing {
  ecdsaSign (digest: Uint8Array, key: Uint8Array): { readonly signature: Uint8Array; readonly recid: number }
  publicKeyCreate (key: Uint8Array, compressed: boolean): Uint8Array
}

const native = secp256k1 as typeof secp256k1 & Signing

/** The tip that the chains stand on. */
export const TIP = 1_000_000n
/** Preconfers take turns of so many blocks. */
const SIGNERS = 8
const TURN = 192
/** Changes when what is made changes: what lies in the temporary folder from before is of no use then. */
const VERSION = 1
const BATCH = 512

export interface Material {
  /** A data directory that holds the chain; to be copied, not to be used. */
  readonly dataDir: string
  readonly signers: readonly Uint8Array[]
  readonly blocks: number
  readonly head: bigint
}

const digestOf = (...words: (string | number)[]): Uint8Array => createHash('sha256').update(words.join(' ')).digest()
const keyOf = (signer: number): Uint8Array => digestOf('catch-up', signer)

/** Linked, signed blocks in a store of ours, with txlists of so many bytes (0: without). Made once, then kept in the temporary folder. */
export async function material(blocks: number, txListBytes: number, log: (line: string) => void): Promise<Material> {
  const crypto = await loadCrypto()
  const signers = Array.from({ length: SIGNERS }, (_, at) => addressOf(crypto, native.publicKeyCreate(keyOf(at), false).slice(1)))
  const dataDir = join(tmpdir(), 'preconfirmation-p2p-bench', `chain-${VERSION}-${blocks}-${txListBytes}`)
  const made: Material = { dataDir, signers, blocks, head: TIP + BigInt(blocks) }
  if (await stat(dataDir).then(() => true, () => false)) return made
  log(`making ${blocks} blocks in ${dataDir}`)
  const unfinished = `${dataDir}.${process.pid}`
  await mkdir(unfinished, { recursive: true })
  const db = fileDatabase({ dataDir: unfinished, chainId: DEFAULT_CHAIN_ID })
  await db.open()
  let parent: Uint8Array = new Uint8Array(32)
  for (let from = 0; from < blocks; from += BATCH) {
    const commitments: CommitmentPut[] = []
    const txLists: TxListPut[] = []
    for (let at = from; at < Math.min(from + BATCH, blocks); at++) {
      const signer = Math.floor(at / TURN) % SIGNERS
      const blockNumber = TIP + 1n + BigInt(at)
      const txList = txListBytes === 0 ? undefined : listOf(at, txListBytes)
      const rawTxListHash = txList === undefined ? digestOf('txlist', at) : crypto.keccak256(txList)
      const ssz = SignedCommitmentCodec.encode({
        commitment: {
          preconf: {
            eop: at % TURN === TURN - 1, blockNumber, timestamp: 1_800_000_000n + 2n * BigInt(at), gasLimit: 240_000_000n, coinbase: signers[signer]!,
            anchorBlockNumber: 20_000_000n + BigInt(at) / 6n, rawTxListHash, parentPreconfirmationHash: parent,
            submissionWindowEnd: 1_700_000_384n + 384n * BigInt(Math.floor(at / TURN)), proverAuth: new Uint8Array(20), proposalId: BigInt(at),
          },
          slasherAddress: new Uint8Array(20),
        },
        signature: new Uint8Array(65),
      })
      const { signature, recid } = native.ecdsaSign(signingHash(crypto, DEFAULT_DOMAIN, ssz.subarray(0, COMMITMENT_SIZE)), keyOf(signer))
      ssz.set(signature, COMMITMENT_SIZE)
      ssz[ssz.length - 1] = recid
      parent = crypto.keccak256(ssz.subarray(0, PRECONFIRMATION_SIZE))
      commitments.push({ hash: parent, signer: signers[signer]!, ssz, standing: 'canonical' })
      if (txList !== undefined) txLists.push({ hash: rawTxListHash, bytes: txList, blockNumber })
    }
    await db.commit({ commitments, txLists, confirmedTip: { blockNumber: TIP } })
  }
  await db.close()
  await rm(join(unfinished, 'lock'), { force: true })
  await rename(unfinished, dataDir)
  return made
}

/** Not compressible, different for every block, cheap to make. */
function listOf(block: number, bytes: number): Uint8Array {
  const list = new Uint8Array(bytes)
  let state = (block + 1) * 2_654_435_761 >>> 0
  const words = new Uint32Array(list.buffer, 0, bytes >> 2)
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[at] = state
  }
  return list
}

/** A copy for one node to serve from. */
export async function copyOf({ dataDir }: Material, into: string): Promise<string> {
  await cp(dataDir, into, { recursive: true })
  return into
}

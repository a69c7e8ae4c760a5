import { COMMITMENT_SIZE, PRECONFIRMATION_SIZE, ProtocolError, SIGNED_COMMITMENT_SIZE, fromHex, loadCrypto, preconfirmationHash, toHex } from '../../protocol/index.js'
import type { Crypto } from '../../protocol/index.js'
import { CommitmentView } from '../../protocol/view.js'
import { isHandover } from './commitment-value.js'
import type { OwnSigned } from './database.js'
import { StoreError } from './errors.js'
import { fileDatabase } from './file-database.js'
import type { KeyValueDatabase } from './key-value-database.js'
import { storeFolder } from './level.js'
import { windowOf } from './signed-records.js'

/**
 * What we signed as a file (docs/signing.md), so that a key can move between machines, as EIP-3076 has it for validators. An import merges: it
 * only ever forbids more.
 */
const FORMAT = 'preconfirmation-p2p signed records'
const VERSION = 1

/** The file. Integers are decimal strings, bytes hex with 0x. */
export interface SignedFile {
  readonly format: typeof FORMAT
  readonly version: typeof VERSION
  readonly chainId: string
  /** Nothing is signed for windows that end at or before this one; null where nothing is closed. */
  readonly closedUpTo: string | null
  readonly signers: readonly { readonly address: string; readonly signed: readonly SignedEntry[] }[]
}

export interface SignedEntry {
  readonly submissionWindowEnd: string
  readonly blockNumber: string
  readonly kind: 'block' | 'handover'
  /** The commitment: 317 bytes, or 382 with its signature. */
  readonly ssz: string
}

export interface Imported {
  readonly records: number
  /** Of them, those that were not known. */
  readonly added: number
  /** Of them, those in whose place another is recorded: our key has signed both, and both count. */
  readonly conflicts: readonly { readonly address: string; readonly submissionWindowEnd: bigint; readonly blockNumber: bigint }[]
}

/** Records written in one transaction. */
const TOGETHER = 1_024

/** @throws StoreError `locked` while the node runs, `foreign`, `damaged`, … as for opening; `io` where there is no store */
export async function exportSigned(dataDir: string): Promise<SignedFile> {
  await storeFolder(dataDir)
  const database = fileDatabase({ dataDir, repair: 'never' })
  const opened = await database.open()
  try {
    const chainId = await database.chainId()
    if (chainId === undefined) throw new StoreError('invalid', `the store of ${dataDir} does not say of which chain it is`, { value: dataDir })
    const { signing: { closedUpTo } } = opened.stats
    const bySigner = new Map<string, SignedEntry[]>()
    for await (const page of database.signedRecords()) {
      for (const record of page) {
        const address = hex(record.signer)
        const entries = bySigner.get(address) ?? []
        bySigner.set(address, entries)
        entries.push(entryOf(record))
      }
    }
    return {
      format: FORMAT, version: VERSION, chainId: String(chainId), closedUpTo: closedUpTo === undefined ? null : String(closedUpTo),
      signers: [...bySigner].map(([address, signed]) => ({ address, signed })),
    }
  } finally {
    await database.close()
  }
}

/**
 * Merges a file into the records of a data directory, which is made where it is missing. All of it is checked before any of it is written;
 * again, it changes nothing.
 * @param file parsed from JSON
 * @throws StoreError `invalid` naming what is wrong in the file, `foreign` where it is of another chain, `locked` while the node runs, …
 */
export async function importSigned(dataDir: string, file: unknown): Promise<Imported> {
  const { chainId, closedUpTo, records } = readFile(file, await loadCrypto())
  const database = fileDatabase({ dataDir, chainId, repair: 'never' })
  await database.open()
  try {
    const { fresh, conflicts } = await compared(database, records)
    for (let at = 0; at < fresh.length; at += TOGETHER) await database.commit({ signed: fresh.slice(at, at + TOGETHER) })
    if (closedUpTo !== undefined) await database.closeSigning(closedUpTo)
    return { records: records.length, added: fresh.length, conflicts }
  } finally {
    await database.close()
  }
}

async function compared(database: KeyValueDatabase, records: readonly OwnSigned[]): Promise<{ readonly fresh: readonly OwnSigned[]; readonly conflicts: Imported['conflicts'] }> {
  const known = new Map<string, Map<string, string>>()
  const fresh: OwnSigned[] = []
  const conflicts: Imported['conflicts'][number][] = []
  for (const record of records) {
    const key = `${hex(record.signer)} ${windowOf(record)}`
    let window = known.get(key)
    if (window === undefined) known.set(key, window = new Map((await database.ownSigned(record.signer, windowOf(record))).map(each => [coveredOf(each), placeOf(each)])))
    if (window.has(coveredOf(record))) continue
    const place = placeOf(record)
    if ([...window.values()].includes(place)) {
      conflicts.push({ address: hex(record.signer), submissionWindowEnd: windowOf(record), blockNumber: new CommitmentView(whole(record.ssz)).blockNumber })
    }
    window.set(coveredOf(record), place)
    fresh.push(record)
  }
  return { fresh, conflicts }
}

// ---- the form

const hex = (bytes: Uint8Array): string => `0x${toHex(bytes)}`
const coveredOf = ({ ssz }: OwnSigned): string => toHex(ssz.subarray(0, COMMITMENT_SIZE))

function placeOf({ ssz }: OwnSigned): string {
  const { blockNumber, kind } = entryFields(ssz)
  return `${blockNumber} ${kind}`
}

function whole(ssz: Uint8Array): Uint8Array {
  const signed = new Uint8Array(SIGNED_COMMITMENT_SIZE)
  signed.set(ssz)
  return signed
}

function entryFields(ssz: Uint8Array): Omit<SignedEntry, 'ssz'> {
  const { submissionWindowEnd, blockNumber } = new CommitmentView(whole(ssz))
  return { submissionWindowEnd: String(submissionWindowEnd), blockNumber: String(blockNumber), kind: isHandover(ssz) ? 'handover' : 'block' }
}

const entryOf = ({ ssz }: OwnSigned): SignedEntry => ({ ...entryFields(ssz), ssz: hex(ssz) })

const invalid = (where: string, what: string): StoreError => new StoreError('invalid', `${where} ${what}`, { value: where })

function readFile(file: unknown, crypto: Crypto): { readonly chainId: bigint; readonly closedUpTo: bigint | undefined; readonly records: readonly OwnSigned[] } {
  const { format, version, chainId, closedUpTo, signers } = fieldsOf('the file', file)
  if (format !== FORMAT) throw invalid('format', `is not "${FORMAT}"`)
  if (version !== VERSION) throw invalid('version', `is not ${VERSION}: a newer version of this program may read it`)
  const records: OwnSigned[] = []
  for (const [at, each] of listOf('signers', signers).entries()) {
    const { address, signed } = fieldsOf(`signers[${at}]`, each)
    const signer = bytesOf(`signers[${at}].address`, address, 20)
    for (const [index, entry] of listOf(`signers[${at}].signed`, signed).entries()) {
      const where = `signers[${at}].signed[${index}]`
      const { ssz: text, ...said } = fieldsOf(where, entry)
      const ssz = bytesOf(`${where}.ssz`, text, COMMITMENT_SIZE, SIGNED_COMMITMENT_SIZE)
      for (const [name, value] of Object.entries(entryFields(ssz))) if (said[name] !== value) throw invalid(`${where}.${name}`, `is not what its commitment says: ${value}`)
      records.push({ signer, hash: preconfirmationHash(crypto, ssz.subarray(0, PRECONFIRMATION_SIZE)), ssz })
    }
  }
  return { chainId: integerOf('chainId', chainId), closedUpTo: closedUpTo === null || closedUpTo === undefined ? undefined : integerOf('closedUpTo', closedUpTo), records }
}

function fieldsOf(where: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(where, 'is not an object')
  return { ...value }
}

function listOf(where: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(where, 'is not a list')
  return value
}

function integerOf(where: string, value: unknown): bigint {
  if (typeof value !== 'string' || !/^\d{1,78}$/.test(value) || BigInt(value) >> 256n !== 0n) throw invalid(where, 'is not a decimal number in a string')
  return BigInt(value)
}

function bytesOf(where: string, value: unknown, ...sizes: readonly number[]): Uint8Array {
  try {
    const bytes = typeof value === 'string' ? fromHex(value) : undefined
    if (bytes !== undefined && sizes.includes(bytes.length)) return bytes
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
  }
  throw invalid(where, `is not hex of ${sizes.join(' or ')} bytes`)
}

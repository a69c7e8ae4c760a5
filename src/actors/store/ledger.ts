import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { equalBytes } from '../../protocol/bytes.js'
import { ADDRESS_SIZE, COMMITMENT_SIZE, HASH_SIZE, OFFSETS } from '../../protocol/layout.js'
import { readUint256 } from '../../protocol/view.js'
import type { DatabaseLimits, Evidence, EvidencePut, HeadRecord, OwnSigned, SignedBefore, TipRecord } from './database.js'
import { StoreError } from './errors.js'
import { encodeHeight, join, keyAfter, nameKey, ownSignedKey, sequenceKey, sequenceOf, spaceEnd, spaceStart } from './schema.js'
import type { Key } from './schema.js'
import type { State } from './state.js'
import type { Entry, Storage } from './storage.js'
import type { Transaction } from './transaction.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const unhex = (text: unknown): Uint8Array => new Uint8Array(Buffer.from(String(text), 'hex'))

function parse(what: string, value: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(value).toString('utf8'))
    if (typeof parsed === 'object' && parsed !== null) return { ...parsed }
  } catch {
    // said below
  }
  throw new StoreError('damaged', `${what} cannot be read`, { value: what })
}

const json = (value: object): Uint8Array => Buffer.from(JSON.stringify(value))

// ---- evidence

export async function putEvidence(txn: Transaction, state: State, put: EvidencePut): Promise<void> {
  const digest = createHash('sha256').update(put.kind).update(put.reason)
  for (const message of put.messages) digest.update(message)
  const digestKey = join('d', digest.digest())
  if (await txn.get(digestKey) !== undefined) return
  const { counters } = state
  const key = sequenceKey('e', counters.nextEvidence++)
  txn.put(digestKey, key)
  txn.put(key, json({
    kind: put.kind, reason: put.reason, signer: hex(put.signer), blockNumber: put.blockNumber.toString(),
    submissionWindowEnd: put.submissionWindowEnd.toString(), messages: put.messages.map(hex), seenAt: put.seenAt,
    digest: digestKey.toString('hex'),
  }))
  counters.evidence++
}

export async function evictEvidence(txn: Transaction, state: State, limits: DatabaseLimits): Promise<void> {
  const { counters } = state
  if (counters.evidence <= limits.evidence) return
  const oldest = await txn.range({ gte: spaceStart('e'), lt: spaceEnd('e'), limit: counters.evidence - limits.evidence })
  for (const { key, value } of oldest) {
    txn.remove(key)
    txn.remove(Buffer.from(unhex(parse('evidence', value)['digest'])))
    counters.evidence--
    counters.evictedEvidence++
  }
}

export function readEvidence({ key, value }: Entry): Evidence {
  const { kind, reason, signer, blockNumber, submissionWindowEnd, messages, seenAt } = parse('evidence', value)
  return {
    sequence: sequenceOf(key),
    kind: kind === 'equivocation' ? kind : 'misbehaviour',
    reason: String(reason),
    signer: unhex(signer),
    blockNumber: BigInt(String(blockNumber)),
    submissionWindowEnd: BigInt(String(submissionWindowEnd)),
    messages: Array.isArray(messages) ? messages.map(unhex) : [],
    seenAt: Number(seenAt),
  }
}

// ---- what we signed

/** The value: CRC-32 of the rest, preconfirmation hash, SSZ. */
function ownValue({ hash, ssz }: OwnSigned): Buffer {
  const value = Buffer.concat([Buffer.alloc(4), hash, ssz])
  value.writeUInt32BE(crc32(value.subarray(4)), 0)
  return value
}

export function readOwn(key: Key, value: Uint8Array): OwnSigned {
  const bytes = Buffer.from(value)
  if (bytes.length < 4 + HASH_SIZE + COMMITMENT_SIZE || bytes.readUInt32BE(0) !== crc32(bytes.subarray(4))) {
    throw new StoreError('damaged', 'a record of what we signed is not what was written', { value: key.toString('hex') })
  }
  return {
    signer: Uint8Array.from(key.subarray(1, 1 + ADDRESS_SIZE)),
    hash: Uint8Array.from(bytes.subarray(4, 4 + HASH_SIZE)),
    ssz: Uint8Array.from(bytes.subarray(4 + HASH_SIZE)),
  }
}

/**
 * Keeps the first of a signer, window and height. The same commitment again is recorded already: what is compared is what the
 * signature covers (the slasher is not part of the preconfirmation hash).
 */
export async function recordOwn(txn: Transaction, record: OwnSigned, handover: boolean): Promise<SignedBefore> {
  const key = ownSignedKey(record.signer, record.ssz, handover)
  const there = await txn.get(key)
  if (there === undefined) {
    txn.put(key, ownValue(record))
    return { recorded: true }
  }
  const before = readOwn(key, there)
  if (equalBytes(before.ssz.subarray(0, COMMITMENT_SIZE), record.ssz.subarray(0, COMMITMENT_SIZE))) return { recorded: true }
  return { recorded: false, conflict: before }
}

/** @throws StoreError `invalid`: a conflict, of which the caller should have known */
export async function recordOwnOrFail(txn: Transaction, record: OwnSigned, handover: boolean): Promise<void> {
  const outcome = await recordOwn(txn, record, handover)
  if (!outcome.recorded) throw new StoreError('invalid', 'another commitment is recorded as signed for this window and height', { value: hex(outcome.conflict.hash) })
}

export async function ownSignedIn(storage: Pick<Storage, 'range'>, signer: Uint8Array, window: bigint): Promise<readonly OwnSigned[]> {
  const gte = join('o', signer, encodeHeight(window))
  const lt = join('o', signer, encodeHeight(window), 0xff)
  const found: OwnSigned[] = []
  for (let from = gte; ;) {
    const entries = await storage.range({ gte: from, lt, limit: 1_024 })
    for (const { key, value } of entries) found.push(readOwn(key, value))
    const last = entries.at(-1)
    if (last === undefined || entries.length < 1_024) break
    from = keyAfter(last.key)
  }
  return found.sort((a, b) => {
    const [first, second] = [readUint256(a.ssz, OFFSETS.blockNumber), readUint256(b.ssz, OFFSETS.blockNumber)]
    return first < second ? -1 : first > second ? 1 : 0
  })
}

export async function forgetOwn(txn: Transaction, signer: Uint8Array, before: bigint): Promise<void> {
  const lt = join('o', signer, encodeHeight(before))
  for (let gte = join('o', signer); ;) {
    const entries = await txn.range({ gte, lt, limit: 1_024 })
    for (const { key } of entries) txn.remove(key)
    const last = entries.at(-1)
    if (last === undefined || entries.length < 1_024) return
    gte = keyAfter(last.key)
  }
}

// ---- confirmed tip, head override, text of other rooms

const TIP = nameKey('a', 'confirmedTip')
const HEAD = nameKey('a', 'headOverride')

export function putTip(txn: Transaction, tip: TipRecord | null): void {
  if (tip === null) return txn.remove(TIP)
  const { blockNumber, preconfirmationHash } = tip
  const hash = preconfirmationHash === undefined ? {} : { hash: hex(preconfirmationHash) }
  txn.put(TIP, json({ blockNumber: blockNumber.toString(), ...hash }))
}

export async function readTip(storage: Storage): Promise<TipRecord | undefined> {
  const value = await storage.get(TIP)
  if (value === undefined) return undefined
  const { blockNumber, hash } = parse('the confirmed tip', value)
  return { blockNumber: BigInt(String(blockNumber)), ...(hash === undefined ? {} : { preconfirmationHash: unhex(hash) }) }
}

export function putHead(txn: Transaction, head: HeadRecord | null): void {
  if (head === null) return txn.remove(HEAD)
  txn.put(HEAD, json({ blockNumber: head.blockNumber.toString(), submissionWindowEnd: head.submissionWindowEnd.toString() }))
}

export async function readHead(storage: Storage): Promise<HeadRecord | undefined> {
  const value = await storage.get(HEAD)
  if (value === undefined) return undefined
  const { blockNumber, submissionWindowEnd } = parse('the head override', value)
  return { blockNumber: BigInt(String(blockNumber)), submissionWindowEnd: BigInt(String(submissionWindowEnd)) }
}

export function putMeta(txn: Transaction, name: string, value: string | null): void {
  const key = nameKey('m', name)
  if (value === null) txn.remove(key)
  else txn.put(key, Buffer.from(value, 'utf8'))
}

export async function readMeta(storage: Storage, name: string): Promise<string | undefined> {
  const value = await storage.get(nameKey('m', name))
  return value === undefined ? undefined : Buffer.from(value).toString('utf8')
}

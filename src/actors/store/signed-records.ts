import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { equalBytes } from '../../protocol/bytes.js'
import { ADDRESS_SIZE, COMMITMENT_SIZE, HASH_SIZE, OFFSETS } from '../../protocol/layout.js'
import { readUint256 } from '../../protocol/view.js'
import { isHandover } from './commitment-value.js'
import type { LossKind, OwnSigned, SignedBefore, SigningMark } from './database.js'
import { StoreError } from './errors.js'
import { decodeHeight, encodeHeight, heightInKey, join, keyAfter, nameKey, ownSignedKey, spaceEnd, spaceStart } from './schema.js'
import type { Key } from './schema.js'
import type { State } from './state.js'
import type { Storage } from './storage.js'
import type { Transaction } from './transaction.js'

/** What we signed, and the mark at and below which nothing is signed any more (SPEC §7). */

const STEP = 1_024
const WINDOW_AT = 1 + ADDRESS_SIZE

/** The value: CRC-32 of the rest, preconfirmation hash, SSZ. */
export function ownValue({ hash, ssz }: OwnSigned): Buffer {
  const value = Buffer.concat([Buffer.alloc(4), hash, ssz])
  value.writeUInt32BE(crc32(value.subarray(4)), 0)
  return value
}

/** @throws StoreError `damaged` naming the key, also where the key says another place than the commitment */
export function readOwn(key: Key, value: Uint8Array): OwnSigned {
  const bytes = Buffer.from(value)
  const ssz = bytes.subarray(4 + HASH_SIZE)
  const whole = ssz.length >= COMMITMENT_SIZE && bytes.readUInt32BE(0) === crc32(bytes.subarray(4))
  const signer = key.subarray(1, WINDOW_AT)
  const place = whole ? ownSignedKey(signer, ssz, isHandover(ssz)) : key
  if (!whole || (Buffer.compare(key, place) !== 0 && Buffer.compare(key, anotherKey(place, ssz)) !== 0)) {
    throw new StoreError('damaged', 'a record of what we signed is not what was written', { value: key.toString('hex') })
  }
  return { signer: Uint8Array.from(signer), hash: Uint8Array.from(bytes.subarray(4, 4 + HASH_SIZE)), ssz: Uint8Array.from(ssz) }
}

export const windowOf = ({ ssz }: OwnSigned): bigint => readUint256(ssz, OFFSETS.submissionWindowEnd)

const sameCovered = (a: OwnSigned, b: OwnSigned): boolean => equalBytes(a.ssz.subarray(0, COMMITMENT_SIZE), b.ssz.subarray(0, COMMITMENT_SIZE))

/**
 * Keeps the first of a signer, window, height and kind, where its window is not closed. The same commitment again is recorded already: what
 * is compared is what the signature covers (the slasher is not part of the preconfirmation hash).
 */
export async function recordOwn(txn: Transaction, state: State, record: OwnSigned): Promise<SignedBefore> {
  const key = ownSignedKey(record.signer, record.ssz, isHandover(record.ssz))
  const there = await txn.get(key)
  if (there !== undefined) {
    const before = readOwn(key, there)
    return sameCovered(before, record) ? { recorded: true } : { recorded: false, conflict: before }
  }
  const { closedUpTo } = state.signing
  if (closedUpTo !== undefined && windowOf(record) <= closedUpTo) return { recorded: false, conflict: undefined, closedUpTo }
  txn.put(key, ownValue(record))
  return { recorded: true }
}

/**
 * Keeps it, beside whatever is recorded for its place: both are signed then, and both forbid. Never fails: who writes it has asked before, or only
 * tells what was signed elsewhere.
 */
export async function keepOwn(txn: Transaction, record: OwnSigned): Promise<void> {
  const key = ownSignedKey(record.signer, record.ssz, isHandover(record.ssz))
  const there = await txn.get(key)
  if (there === undefined) txn.put(key, ownValue(record))
  else if (!isOf(key, there, record)) txn.put(anotherKey(key, record.ssz), ownValue(record))
}

/** Whether it is this one that is kept there; a damaged one is not, and is taken out when it is read. */
function isOf(key: Key, value: Uint8Array, record: OwnSigned): boolean {
  try {
    return sameCovered(readOwn(key, value), record)
  } catch (error) {
    if (error instanceof StoreError) return false
    throw error
  }
}

/** Where a second one of the same place is kept. */
const anotherKey = (place: Key, ssz: Uint8Array): Key =>
  Buffer.concat([place, createHash('sha256').update(ssz.subarray(0, COMMITMENT_SIZE)).digest().subarray(0, 8)])

export async function ownSignedIn(storage: Pick<Storage, 'range'>, signer: Uint8Array, window: bigint): Promise<readonly OwnSigned[]> {
  const gte = join('o', signer, encodeHeight(window))
  const lt = join('o', signer, encodeHeight(window), 0xff)
  const found: OwnSigned[] = []
  for (let from = gte; ;) {
    const entries = await storage.range({ gte: from, lt, limit: STEP })
    for (const { key, value } of entries) found.push(readOwn(key, value))
    const last = entries.at(-1)
    if (last === undefined || entries.length < STEP) break
    from = keyAfter(last.key)
  }
  return found.sort((a, b) => {
    const [first, second] = [readUint256(a.ssz, OFFSETS.blockNumber), readUint256(b.ssz, OFFSETS.blockNumber)]
    return first < second ? -1 : first > second ? 1 : 0
  })
}

/** All records from a key on, in the order of signers and windows; `next` is where to go on. */
export async function ownPage(storage: Pick<Storage, 'range'>, from: Key = spaceStart('o')): Promise<{ readonly records: readonly OwnSigned[]; readonly next: Key | undefined }> {
  const entries = await storage.range({ gte: from, lt: spaceEnd('o'), limit: STEP })
  const last = entries.at(-1)
  return {
    records: entries.map(({ key, value }) => readOwn(key, value)),
    next: last === undefined || entries.length < STEP ? undefined : keyAfter(last.key),
  }
}

/**
 * Drops what every signer signed in windows that end at or before this one, and closes up to the last window that was dropped: not up to a
 * time, so that a clock which runs ahead closes nothing in which nothing was signed.
 */
export async function forgetOwn(txn: Transaction, state: State, upTo: bigint): Promise<void> {
  let gte = spaceStart('o')
  let highest: bigint | undefined
  for (;;) {
    const [first] = await txn.range({ gte, lt: spaceEnd('o'), limit: 1 })
    if (first === undefined) break
    const signer = first.key.subarray(1, WINDOW_AT)
    const lt = join('o', signer, encodeHeight(upTo), 0xff)
    for (let from = first.key; Buffer.compare(from, lt) < 0;) {
      const entries = await txn.range({ gte: from, lt, limit: STEP })
      for (const { key } of entries) txn.remove(key)
      const last = entries.at(-1)
      if (last === undefined) break
      const window = decodeHeight(heightInKey(last.key, WINDOW_AT), 0)
      if (highest === undefined || window > highest) highest = window
      if (entries.length < STEP) break
      from = keyAfter(last.key)
    }
    gte = join('o', signer, 0xff)
  }
  if (highest !== undefined) closeSigning(txn, state, highest)
}

// ---- the mark

const MARK = nameKey('a', 'signing')

export const OPEN_MARK: SigningMark = { closedUpTo: undefined, loss: undefined }

/** @returns undefined where it cannot be read */
export function parseMark(value: Uint8Array | undefined): SigningMark | undefined {
  if (value === undefined) return OPEN_MARK
  try {
    const { closedUpTo, loss } = JSON.parse(Buffer.from(value).toString('utf8')) as { closedUpTo: string; loss?: { what: LossKind; at: number; closedUpTo: string } }
    return {
      closedUpTo: BigInt(closedUpTo),
      loss: loss === undefined ? undefined : { what: loss.what, at: loss.at, closedUpTo: BigInt(loss.closedUpTo) },
    }
  } catch {
    return undefined
  }
}

export const readMark = async (storage: Storage): Promise<SigningMark | undefined> => parseMark(await storage.get(MARK))

/** Closes every window that ends at or before `upTo` for signing; never opens one. @param loss why, where records may be missing */
export function closeSigning(txn: Transaction, state: Pick<State, 'signing'>, upTo: bigint, loss?: { readonly what: LossKind; readonly at: number }): void {
  const { signing } = state
  const closedUpTo = signing.closedUpTo === undefined || upTo > signing.closedUpTo ? upTo : signing.closedUpTo
  state.signing = { closedUpTo, loss: loss === undefined ? signing.loss : { ...loss, closedUpTo: upTo } }
  const { closedUpTo: closed, loss: lost } = state.signing
  txn.put(MARK, Buffer.from(JSON.stringify({
    closedUpTo: String(closed), ...lost !== undefined && { loss: { what: lost.what, at: lost.at, closedUpTo: String(lost.closedUpTo) } },
  })))
}

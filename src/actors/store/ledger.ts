import { createHash } from 'node:crypto'
import type { DatabaseLimits, Evidence, EvidencePut, HeadRecord, TipRecord } from './database.js'
import { StoreError } from './errors.js'
import { join, nameKey, sequenceKey, sequenceOf, spaceEnd, spaceStart } from './schema.js'
import type { Key } from './schema.js'
import type { State } from './state.js'
import type { Entry, Storage } from './storage.js'
import type { Transaction } from './transaction.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const unhex = (text: unknown): Uint8Array => new Uint8Array(Buffer.from(String(text), 'hex'))

/** @throws StoreError `damaged` naming the key, where it is no JSON object or `read` cannot make sense of it */
function parse<T>(what: string, key: Key, value: Uint8Array, read: (fields: Readonly<Record<string, unknown>>) => T): T {
  try {
    return read({ ...JSON.parse(Buffer.from(value).toString('utf8')) as object })
  } catch (cause) {
    throw new StoreError('damaged', `${what} cannot be read`, { value: key.toString('hex') }, { cause })
  }
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
    dropEvidence(txn, state, key, value)
    counters.evictedEvidence++
  }
}

/** Where it cannot be read, its digest stays: the same evidence is not kept twice for that. */
export function dropEvidence(txn: Transaction, { counters }: State, key: Key, value: Uint8Array | undefined): void {
  txn.remove(key)
  counters.evidence--
  try {
    if (value !== undefined) txn.remove(Buffer.from(unhex(parse('evidence', key, value, ({ digest }) => digest))))
  } catch {
    // nothing says which
  }
}

/** @throws StoreError `damaged` naming the key */
export function readEvidence({ key, value }: Entry): Evidence {
  return parse('evidence', key, value, ({ kind, reason, signer, blockNumber, submissionWindowEnd, messages, seenAt }) => ({
    sequence: sequenceOf(key),
    kind: kind === 'equivocation' ? kind : 'misbehaviour',
    reason: String(reason),
    signer: unhex(signer),
    blockNumber: BigInt(String(blockNumber)),
    submissionWindowEnd: BigInt(String(submissionWindowEnd)),
    messages: Array.isArray(messages) ? messages.map(unhex) : [],
    seenAt: Number(seenAt),
  }))
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
  return parse('the confirmed tip', TIP, value, ({ blockNumber, hash }) => ({
    blockNumber: BigInt(String(blockNumber)), ...(hash === undefined ? {} : { preconfirmationHash: unhex(hash) }),
  }))
}

export function putHead(txn: Transaction, head: HeadRecord | null): void {
  if (head === null) return txn.remove(HEAD)
  txn.put(HEAD, json({ blockNumber: head.blockNumber.toString(), submissionWindowEnd: head.submissionWindowEnd.toString() }))
}

export async function readHead(storage: Storage): Promise<HeadRecord | undefined> {
  const value = await storage.get(HEAD)
  if (value === undefined) return undefined
  return parse('the head override', HEAD, value, ({ blockNumber, submissionWindowEnd }) => ({
    blockNumber: BigInt(String(blockNumber)), submissionWindowEnd: BigInt(String(submissionWindowEnd)),
  }))
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

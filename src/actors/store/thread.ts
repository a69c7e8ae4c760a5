import { parentPort } from 'node:worker_threads'
import { expose, transfer } from 'comlink/dist/esm/comlink.mjs'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { HASH_SIZE } from '../../protocol/layout.js'
import { decodeBatch } from './batch-codec.js'
import type { CommitmentRecord, Database } from './database.js'
import { StoreError, storeErrorOf } from './errors.js'
import { fileDatabase } from './file-database.js'
import { PAGE_RECORD_SIZE, writeRecord } from './record-page.js'
import type { Outcome, ThreadApi } from './thread-api.js'

/**
 * The thread that owns the database. Started by `client.ts`; it does what it is called for, and ends when it is
 * terminated. Whatever fails comes back as an outcome; an exception outside of a call ends it, and the client reports that.
 */
let database: Database | undefined

function opened(): Database {
  if (database === undefined) throw new StoreError('closed', 'the database is not open')
  return database
}

async function outcome<T>(doing: string, work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: await work() }
  } catch (error) {
    return { error: storeErrorOf(error, doing).toJSON() }
  }
}

/** Bytes are given away with the answer, not copied once more. */
async function giving(doing: string, work: () => Promise<Uint8Array>): Promise<Outcome<Uint8Array>> {
  const result = await outcome(doing, work)
  return 'ok' in result ? transfer(result, [result.ok.buffer as ArrayBuffer]) : result
}

function pageOf(record: CommitmentRecord | undefined): Uint8Array {
  if (record === undefined) return new Uint8Array()
  const page = new Uint8Array(PAGE_RECORD_SIZE)
  writeRecord(page, 0, record)
  return page
}

const api: ThreadApi = {
  open: options => outcome('open', async () => {
    const { tail, ...rest } = options
    const made = fileDatabase(rest)
    const result = await made.open({ tail })
    database = made
    return { ...result, tail: result.tail.bytes }
  }),
  commit: batch => outcome('commit', () => opened().commit(decodeBatch(batch))),
  discard: (damaged, waiting) => outcome('discard', () => opened().discard(damaged, waiting)),
  recordSigned: record => outcome('record what we signed', () => opened().recordSigned(record)),
  ownSigned: (signer, window) => outcome('read', () => opened().ownSigned(signer, window)),
  canonicalRange: (start, max) => giving('read', () => opened().canonicalRange(start, max)),
  scan: (from, max, after) => giving('read', async () => (await opened().scan(from, max, after)).bytes),
  tail: count => giving('read', async () => (await opened().tail(count)).bytes),
  beside: max => giving('read', async () => (await opened().beside(max)).bytes),
  blockAt: height => giving('read', async () => pageOf(await opened().blockAt(height))),
  chainRecord: () => outcome('read', () => opened().chainRecord()),
  rewinds: after => outcome('read', () => opened().rewinds(after)),
  commitmentByHash: hash => giving('read', async () => pageOf(await opened().commitmentByHash(hash))),
  txList: async hash => {
    const result = await outcome('read', () => opened().txList(hash))
    return 'ok' in result && result.ok !== undefined ? transfer(result, [result.ok.buffer as ArrayBuffer]) : result
  },
  hasTxLists: packed => outcome('read', async () => {
    const hashes: Uint8Array[] = []
    for (let at = 0; at < packed.length; at += HASH_SIZE) hashes.push(packed.subarray(at, at + HASH_SIZE))
    return Uint8Array.from(await opened().hasTxLists(hashes), there => there ? 1 : 0)
  }),
  missingTxLists: (from, max) => outcome('read', () => opened().missingTxLists(from, max)),
  evidence: (from, max) => outcome('read', () => opened().evidence(from, max)),
  meta: name => outcome('read', () => opened().meta(name)),
  stats: () => outcome('read', () => opened().stats()),
  close: () => outcome('close', async () => {
    await database?.close()
    database = undefined
    return undefined
  }),
}

if (parentPort !== null) expose(api, nodeEndpoint(parentPort))

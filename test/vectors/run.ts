import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { loadCrypto, type Crypto } from '../../src/protocol/index.js'
import { BatchVerifier } from '../../src/protocol/secp256k1/index.js'
import type { Vector } from './check.js'
import { suites, type Context } from './suites.js'

export interface Failure {
  readonly file: string
  /** The vector, or nothing where the file itself could not be used. */
  readonly name: string
  readonly message: string
}

export interface FileReport {
  readonly file: string
  readonly passed: number
  readonly failures: readonly Failure[]
}

export interface Report {
  readonly files: readonly FileReport[]
  /** Libraries that the vectors ran with. */
  readonly backends: readonly string[]
  readonly passed: number
  readonly failures: readonly Failure[]
}

/**
 * Runs every vector file that is in `directory`; other files are left alone. A file of a wrong form is a failure, and so is a
 * directory with none of the files or without a single vector.
 */
export async function runVectors(directory: string): Promise<Report> {
  const cryptos = await everyCrypto()
  const context: Context = { cryptos, batch: await batchVerifier(cryptos[0]) }
  const files: FileReport[] = []
  let present: string[]
  try {
    present = await readdir(directory)
  } catch (error) {
    return summary([failed(directory, error)], context)
  }
  for (const file of Object.keys(suites)) if (present.includes(file)) files.push(await runFile(directory, file, context))
  const wanted = Object.keys(suites).join(', ')
  if (files.length === 0) return summary([failed(directory, new Error(`none of ${wanted} is here`))], context)
  const vectors = files.reduce((sum, { passed, failures }) => sum + passed + failures.length, 0)
  if (vectors === 0) files.push(failed(directory, new Error('no vector is here')))
  return summary(files, context)
}

function summary(files: readonly FileReport[], { cryptos, batch }: Context): Report {
  return {
    files,
    backends: [
      ...cryptos.map(({ recoverBackend, keccakBackend }) => `${recoverBackend} with ${keccakBackend}`),
      ...(batch === undefined ? [] : ['batch verification']),
    ],
    passed: files.reduce((sum, { passed }) => sum + passed, 0),
    failures: files.flatMap(({ failures }) => failures),
  }
}

async function runFile(directory: string, file: string, context: Context): Promise<FileReport> {
  let vectors: readonly Vector[]
  try {
    vectors = suites[file]!(JSON.parse(await readFile(join(directory, file), 'utf8')), context)
  } catch (error) {
    return failed(file, error)
  }
  const failures: Failure[] = []
  for (const vector of vectors) {
    try {
      vector.run()
    } catch (error) {
      failures.push({ file, name: vector.name, message: messageOf(error) })
    }
  }
  return { file, passed: vectors.length - failures.length, failures }
}

function failed(file: string, error: unknown): FileReport {
  return { file, passed: 0, failures: [{ file, name: '', message: messageOf(error) }] }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name === 'Error' ? '' : `${error.name}: `}${error.message}` : String(error)
}

/** Batch verification, where the platform has what it needs; it decides single signatures too here. */
async function batchVerifier(crypto: Crypto): Promise<BatchVerifier | undefined> {
  const { verifier } = await BatchVerifier.load(crypto, { least: 1, sampleEvery: 1, random: () => 0 })
  return verifier
}

/** The libraries in use, and beside them each other one that loads here: all must agree. */
async function everyCrypto(): Promise<readonly [Crypto, ...Crypto[]]> {
  const inUse = await loadCrypto()
  const others = await Promise.allSettled([
    loadCrypto({ recover: 'secp256k1' }),
    loadCrypto({ recover: 'libauth' }),
    loadCrypto({ recover: 'noble', keccak: 'noble' }),
  ])
  const loaded = others.flatMap((result) => result.status === 'fulfilled' ? [result.value] : [])
  return [inUse, ...loaded.filter(({ recoverBackend }) => recoverBackend !== inUse.recoverBackend)]
}

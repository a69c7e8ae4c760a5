/** The batch verifier against recovery libraries, on the same cases. */
import { equalBytes, loadCrypto } from '../../../src/protocol/index.js'
import type { Crypto, RecoverBackend } from '../../../src/protocol/index.js'
import { BatchVerifier } from '../../../src/protocol/secp256k1/index.js'
import { Cases, Random } from './cases.js'
import type { Case } from './cases.js'

export interface DifferentialRun {
  readonly seed: number
  readonly signatures: number
  /** Tables; fewer than signers, so that they are evicted and built again. */
  readonly tables: number
  readonly signers: number
  readonly check: (right: boolean, what: () => string) => void
  readonly log?: (line: string) => void
}

const ORACLES: readonly RecoverBackend[] = ['secp256k1', 'libauth']

/** The libraries that load here: both, where the native one has a binary. */
export async function oracles(): Promise<readonly Crypto[]> {
  const found = await Promise.allSettled(ORACLES.map(recover => loadCrypto({ recover })))
  return found.flatMap(result => result.status === 'fulfilled' ? [result.value] : [])
}

export async function loadVerifier(crypto: Crypto, random: Random, options: { readonly signers?: number; readonly sampleEvery?: number } = {}): Promise<BatchVerifier> {
  const { verifier, reason } = await BatchVerifier.load(crypto, { sampleEvery: 0, least: 1, random: () => random.fraction(), ...options })
  if (verifier === undefined) throw new Error(reason)
  return verifier
}

/** Runs one batch, and holds each answer against every library. The tables of its signers must be there. */
function compare(verifier: BatchVerifier, batch: readonly Case[], libraries: readonly Crypto[], check: DifferentialRun['check']): void {
  const answers = verifier.verify(batch)
  batch.forEach((item, index) => {
    const { kind, digest, signature, v, publicKey, expected } = item
    for (const library of libraries) {
      const recovered = library.recover(digest, signature, v)
      const same = recovered !== undefined && equalBytes(recovered, publicKey)
      const what = (): string => `${kind} (${index} of ${batch.length}): batch ${answers[index]}, ${library.recoverBackend} ${same}, made to be ${expected}: ${show(item)}`
      check(answers[index] === same && (expected === undefined || expected === same), what)
    }
  })
}

function show({ digest, signature, v, publicKey }: Case): string {
  return [digest, signature, Uint8Array.of(v), publicKey].map(bytes => Buffer.from(bytes).toString('hex')).join(' ')
}

/** All batch sizes from 1 to 300 in turn, several signers in a batch, tables evicted and built again, in one instance. */
export async function runDifferential({ seed, signatures, tables, signers, check, log }: DifferentialRun): Promise<void> {
  const random = new Random(seed)
  const libraries = await oracles()
  const [crypto] = libraries
  if (crypto === undefined) throw new Error('no library to compare with')
  log?.(`against ${libraries.map(({ recoverBackend }) => recoverBackend).join(' and ')}`)
  const cases = new Cases(random, crypto, signers)
  const verifier = await loadVerifier(crypto, random, { signers: tables })
  const waiting: Case[] = [...cases.crafted(), ...cases.overflowing(40), ...cases.exceptional(40)]
  let exceptional = 0
  for (let done = 0, size = 1; done < signatures; done += size, size = size % 300 + 1) {
    // As many signers as there is room for; every third batch has crafted cases among the others.
    const present = new Map<string, Uint8Array>()
    const batch: Case[] = []
    while (batch.length < size) {
      const item = waiting.length > 0 && random.below(3) === 0 ? waiting.pop()! : cases.next()
      const name = Buffer.from(item.signer).toString('hex')
      if (!present.has(name) && present.size === tables) {
        if (item.expected !== undefined) waiting.unshift(item)
        continue
      }
      present.set(name, item.publicKey)
      batch.push(item)
      if (item.exceptional === true) exceptional++
    }
    for (const [name, publicKey] of present) check(verifier.prepare(publicKey) !== undefined, () => `no table for ${name}`)
    compare(verifier, batch, libraries, check)
    if (Math.floor(done / 20_000) !== Math.floor((done + size) / 20_000)) log?.(`${done + size} signatures`)
  }
  const { undecided, recovered } = verifier.figures
  check(undecided === exceptional && recovered === undecided, () => `${undecided} undecided and ${recovered} recovered, for ${exceptional} exceptional ones`)
  log?.(JSON.stringify({ ...verifier.figures, exceptional }))
}

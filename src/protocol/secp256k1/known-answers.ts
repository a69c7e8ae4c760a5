import { equalBytes, negateScalar } from '../bytes.js'
import type { Crypto } from '../crypto.js'
import { DEFAULT_DOMAIN } from '../domain.js'
import { preconfirmationHash, signingHash } from '../hash.js'
import { fromHex } from '../hex.js'
import { COMMITMENT_SIZE, PRECONFIRMATION_SIZE, SIGNED_COMMITMENT_SIZE } from '../layout.js'
import { MOST_SIGNATURES, SignatureStatus } from './module.js'
import type { BatchModule } from './module.js'

/** Keys SHA-256('batch self-test key i') sign SHA-256('batch self-test digest i'). Public keys, x ‖ y. */
const KEYS = [
  '1b9fc099f85ea98fc8627353cd31e5af9b99663218d8c7bb9fcb5d969d42d70a'
    + '4a8728dfd3e56bdef4f5dff33706fe269b2a874d378e0060d19d1fb4afe7c959',
  'ec689c8550dadabf03c1768914d41d89ece70e5a9be404ce000416820da43f38'
    + '358b167e8d24c2961ea8eb3a854bf58748006be38b36b25d9b2bc2b62bd0a4c4',
].map(key => fromHex(key))

/** Tables that the questions take. */
export const SIGNERS_ASKED = KEYS.length

const ANSWERS = [
  {
    digest: 'fd639437bcbc0f28c8cbf9a5c15885e7940b69f9ad9729418b3f81c1b3fc8886',
    signature: '5e8e9e7bad8fc613eff54ce65808d73cfa756b1b327d502f5cf37fe4c77220f1'
      + '144c32a05e226270cad0476361d746876f70f839e47ab56fea485d596b397e2b',
    v: 1,
    signer: 0,
  },
  {
    digest: 'f9cc859dab76b47a8d981012b497dca4bd9a6f05cfffbe8cc862971c7a3a2018',
    signature: 'd32710e8ef20968cc4d6666bd3b6db62c4bdf5cdb737c4c29d4f34d5bc79b1b0'
      + '0f8c16c90cf6b5204a18cc0c8ff7036a1254bf363557beecf3b820f11ed3df36',
    v: 0,
    signer: 1,
  },
  {
    digest: 'daafceadf1e28d1cb7758988bc533207ee120447c48e9e736e9f09dfb6cc06b9',
    signature: 'cbf661aa6d36f9104b0e9f1368d553967ec2fb1fa1c2e8f73cab67be2e0e24cc'
      + '755f49a9e727965a9ceddfc0a42cc46c054367c7a3e283a749b31d7111f7dea4',
    v: 0,
    signer: 0,
  },
  {
    digest: 'bcb587afa0054e145e85e7e906384517783e72e3960b9143e2fbbc567dba6248',
    signature: '80268f567205acf4f35f31d382be1a766cf5a18eaefb596b211085fff2e2585d'
      + '204a9438d2a6a176685f997a0f40edaf0de2dcfa0cb143d9c29be381927cf69c',
    v: 0,
    signer: 1,
  },
].map(({ digest, signature, v, signer }) => ({ digest: fromHex(digest), signature: fromHex(signature), v, signer }))

type Answer = typeof ANSWERS[number]

interface Question {
  readonly what: string
  readonly ask: (answer: Answer) => Answer
  readonly valid: boolean
}

/** What is asked of each answer: itself, its high-S twin, and everything about it changed. */
const QUESTIONS: readonly Question[] = [
  { what: 'a signature', valid: true, ask: answer => answer },
  { what: 'a high-S signature', valid: true, ask: answer => ({ ...answer, signature: highS(answer.signature), v: answer.v ^ 1 }) },
  { what: 'a high-S signature with the v of the low one', valid: false, ask: answer => ({ ...answer, signature: highS(answer.signature) }) },
  { what: 'a signature with another v', valid: false, ask: answer => ({ ...answer, v: answer.v ^ 1 }) },
  { what: 'a signature with v + 2', valid: false, ask: answer => ({ ...answer, v: answer.v + 2 }) },
  { what: 'a signature with another digest', valid: false, ask: answer => ({ ...answer, digest: flipped(answer.digest, 31) }) },
  { what: 'a signature with another r', valid: false, ask: answer => ({ ...answer, signature: flipped(answer.signature, 31) }) },
  { what: 'a signature with another s', valid: false, ask: answer => ({ ...answer, signature: flipped(answer.signature, 63) }) },
  { what: 'a signature of another signer', valid: false, ask: answer => ({ ...answer, signer: answer.signer ^ 1 }) },
  { what: 'a signature without r', valid: false, ask: answer => ({ ...answer, signature: answer.signature.map((byte, at) => at < 32 ? 0 : byte) }) },
]

/**
 * Asks a new module for what is known: every question about every answer, in one full batch, and the hashes of two commitments. Uses
 * the tables 0 and 1. Undefined where all is right, else what is wrong.
 */
export function knownAnswersFail(module: BatchModule, crypto: Crypto): string | undefined {
  for (const [slot, key] of KEYS.entries()) if (!module.buildTable(slot, key)) return 'a known public key was refused'
  const asked = Array.from({ length: MOST_SIGNATURES }, (_, to) => {
    const question = QUESTIONS[to % QUESTIONS.length]!
    const { digest, signature, v, signer } = question.ask(ANSWERS[Math.floor(to / QUESTIONS.length) % ANSWERS.length]!)
    module.put(to, digest, signature, v, signer)
    return question
  })
  const statuses = module.verify(asked.length)
  for (const [at, { what, valid }] of asked.entries()) {
    const status = statuses[at]
    if (status !== (valid ? SignatureStatus.valid : SignatureStatus.invalid)) return `${what} got status ${status}`
  }
  return hashesFail(module, crypto)
}

function hashesFail(module: BatchModule, crypto: Crypto): string | undefined {
  const commitments = Uint8Array.from({ length: 2 * SIGNED_COMMITMENT_SIZE }, (_, at) => at * 167 + (at >> 8))
  module.setDomain(DEFAULT_DOMAIN)
  module.hashCommitments(commitments)
  for (const index of [0, 1]) {
    const bytes = commitments.subarray(index * SIGNED_COMMITMENT_SIZE)
    const signing = signingHash(crypto, DEFAULT_DOMAIN, bytes.subarray(0, COMMITMENT_SIZE))
    if (!equalBytes(module.signingHash(index), signing)) return 'a signing hash is wrong'
    const parent = preconfirmationHash(crypto, bytes.subarray(0, PRECONFIRMATION_SIZE))
    if (!equalBytes(module.preconfirmationHash(index), parent)) return 'a preconfirmation hash is wrong'
  }
  return undefined
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice()
  copy[at] = copy[at]! ^ 1
  return copy
}

function highS(signature: Uint8Array): Uint8Array {
  const copy = signature.slice()
  negateScalar(copy, 32)
  return copy
}

import {
  addressOf, checkCommitment, checkTxList, checkTxListResponse, CommitmentView, DEFAULT_DOMAIN, Finding, findingName, fromHex, messageId,
  preconfirmationHash, RECORD_HASH, RECORD_SIGNER, RECORD_SIZE, SignedCommitmentCodec, signerFromKey, signingHash, toHex,
  txListHash, verdictOf, type Crypto,
} from '../../src/protocol/index.js'
import type { Codec } from '../../src/protocol/containers.js'
import type { BatchVerifier } from '../../src/protocol/secp256k1/index.js'
import { codecOf, expectEqual, nameOf, outcome, type Vector } from './check.js'
import {
  arrayOf, booleanOf, bytesOf, FormError, integerOf, objectOf, sectionsOf, textOf, valueOf, type JsonObject,
} from './form.js'
import { frames } from './frames.js'

/** The public key of private key 1. */
const OTHER_KEY = fromHex('79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
  + '483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8')

export interface Context {
  /** One for each library that loads here; the first is the one in use. */
  readonly cryptos: readonly [Crypto, ...Crypto[]]
  /** Batch verification, where it runs here. */
  readonly batch: BatchVerifier | undefined
}

/** The vectors of a file, from its JSON. */
export type Suite = (json: unknown, context: Context) => readonly Vector[]

export const suites: Readonly<Record<string, Suite>> = {
  'containers.json': containers,
  'containers-invalid.json': invalidContainers,
  'signing.json': signing,
  'txlists.json': txLists,
  'message-ids.json': messageIds,
  'frames.json': frames,
  'chain.json': chain,
}

/** The form of each entry is looked at when it runs, so that one bad entry fails alone. */
function vectorsOf(
  items: readonly unknown[], section: string, naming: readonly string[], run: (item: JsonObject) => void,
): Vector[] {
  return items.map((item, i) => {
    const where = `${section}[${i}]`
    return { name: nameOf(where, item, naming), run: () => { run(objectOf(item, where)) } }
  })
}

function containers(json: unknown): Vector[] {
  return vectorsOf(arrayOf(json, 'top level'), 'containers', ['container', 'name'], (v) => {
    const container = textOf(v['container'], 'container')
    const codec = codecOf(container)
    const ssz = bytesOf(v['ssz'], 'ssz')
    const value = valueOf(container, v['value'])
    expectEqual(codec.encode(value), ssz, 'encode')
    expectEqual(codec.decode(ssz), value, 'decode')
  })
}

function decodeAgain(codec: Codec<unknown>, ssz: Uint8Array): void {
  expectEqual(codec.encode(codec.decode(ssz)), ssz, 'encoded again')
}

function referenceOf(v: JsonObject): 'ok' | 'error' {
  const reference = textOf(v['reference'], 'reference')
  if (reference === 'ok') return 'ok'
  if (reference.startsWith('error')) return 'error'
  throw new FormError(`reference: expected ok or error, got ${reference}`)
}

function invalidContainers(json: unknown): Vector[] {
  const { cases, limits } = sectionsOf(json, ['cases', 'limits'])
  return [
    ...vectorsOf(cases, 'cases', ['container', 'name'], (v) => {
      const codec = codecOf(textOf(v['container'], 'container'))
      const ssz = bytesOf(v['ssz'], 'ssz')
      expectEqual(outcome(() => { decodeAgain(codec, ssz) }), referenceOf(v), 'decode')
    }),
    ...vectorsOf(limits, 'limits', ['container'], (v) => {
      const container = textOf(v['container'], 'container')
      const ssz = limitBytes(container, v)
      expectEqual(outcome(() => { decodeAgain(codecOf(container), ssz) }), referenceOf(v), 'decode')
    }),
  ]
}

/** n commitments of zeros, or a txlist of n zero bytes under a zero hash. */
function limitBytes(container: string, v: JsonObject): Uint8Array {
  const inPage = container === 'GetCommitmentsByNumberResponse'
  const header = inPage ? 4 : 36
  const count = inPage ? integerOf(v['commitments'], 'commitments') : integerOf(v['txlistBytes'], 'txlistBytes')
  const size = (inPage ? 382 : 1) * Number(count)
  const ssz = new Uint8Array(header + size)
  ssz[header - 4] = header
  return ssz
}

function signing(json: unknown, { cryptos, batch }: Context): Vector[] {
  const { valid, mutated } = sectionsOf(json, ['valid', 'mutated'])
  return [
    ...vectorsOf(valid, 'valid', ['address'], (v) => {
      const other = objectOf(v['otherDomain'], 'otherDomain')
      const bytes = bytesOf(v['ssz'], 'ssz')
      const key = signerFromKey(bytesOf(v['privateKey'], 'privateKey'))
      expectEqual(key.address, bytesOf(v['address'], 'address'), 'address of the key')
      for (const crypto of cryptos) checkSigned(crypto, DEFAULT_DOMAIN, bytes, v)
      if (batch !== undefined) checkTogether(batch, cryptos[0], bytes, key.address)
      expectEqual(key(bytesOf(v['signingHash'], 'signingHash')), bytesOf(v['signature'], 'signature'), 'signature')
      expectEqual(new CommitmentView(bytes).signature, bytesOf(v['signature'], 'signature'), 'signature in the SSZ')
      const signature = bytesOf(other['signature'], 'otherDomain.signature')
      expectEqual(key(bytesOf(other['signingHash'], 'otherDomain.signingHash')), signature, 'signature under the other domain')
      const resigned = SignedCommitmentCodec.encode({ ...SignedCommitmentCodec.decode(bytes), signature })
      for (const crypto of cryptos) {
        checkSigned(crypto, bytesOf(other['domain'], 'otherDomain.domain'), resigned, { ...v, signingHash: other['signingHash'] })
      }
    }),
    ...vectorsOf(mutated, 'mutated', ['name'], (v) => {
      for (const crypto of cryptos) checkMutated(crypto, bytesOf(v['ssz'], 'ssz'), v)
      const recovered = v['recovered'] === null ? undefined : bytesOf(v['recovered'], 'recovered')
      if (batch !== undefined) checkTogether(batch, cryptos[0], bytesOf(v['ssz'], 'ssz'), recovered)
    }),
  ]
}

/** Batch verification gives a signature to the signer that recovery gives, and to no other. */
function checkTogether(batch: BatchVerifier, crypto: Crypto, bytes: Uint8Array, signer: Uint8Array | undefined): void {
  const view = new CommitmentView(bytes)
  const digest = signingHash(crypto, DEFAULT_DOMAIN, view.commitmentBytes)
  const signature = view.signature.subarray(0, 64)
  const v = view.signature[64]!
  const publicKey = signer === undefined ? undefined : crypto.recover(digest, signature, v)
  const others = [OTHER_KEY, ...(publicKey === undefined ? [] : [publicKey])]
  const asked = others.map(key => {
    const address = addressOf(crypto, key)
    if (batch.prepare(key) === undefined) throw new Error('no table')
    return { digest, signature, v, signer: address }
  })
  const before = batch.figures.recovered
  expectEqual(batch.verify(asked), [false, ...(publicKey === undefined ? [] : [true])], 'batch verification')
  if (publicKey !== undefined && signer !== undefined) expectEqual(addressOf(crypto, publicKey), signer, 'signer')
  expectEqual(batch.figures.recovered - before, 0, 'left to recovery')
}

function checkSigned(crypto: Crypto, domain: Uint8Array, bytes: Uint8Array, v: JsonObject): void {
  const view = new CommitmentView(bytes)
  const record = new Uint8Array(RECORD_SIZE)
  const finding = checkCommitment(bytes, { domain }, crypto, record)
  const ruled = !view.eop && !view.hasTxList ? Finding.zero_tx_list_hash : Finding.valid
  expectEqual(signingHash(crypto, domain, view.commitmentBytes), bytesOf(v['signingHash'], 'signingHash'), 'signing hash')
  const hash = bytesOf(v['preconfirmationHash'], 'preconfirmationHash')
  expectEqual(preconfirmationHash(crypto, view.preconfirmationBytes), hash, 'preconfirmation hash')
  expectEqual(findingName(finding), findingName(ruled), 'finding')
  if (finding !== Finding.valid) return
  expectEqual(record.subarray(RECORD_SIGNER, RECORD_HASH), bytesOf(v['address'], 'address'), 'recovered signer')
  expectEqual(record.subarray(RECORD_HASH), hash, 'preconfirmation hash in the record')
}

function checkMutated(crypto: Crypto, bytes: Uint8Array, v: JsonObject): void {
  const view = new CommitmentView(bytes)
  const digest = signingHash(crypto, DEFAULT_DOMAIN, view.commitmentBytes)
  const publicKey = crypto.recover(digest, view.signature.subarray(0, 64), view.signature[64]!)
  const recovered = publicKey === undefined ? null : toHex(addressOf(crypto, publicKey))
  const expected = v['recovered'] === null ? null : toHex(bytesOf(v['recovered'], 'recovered'))
  expectEqual(recovered, expected, `address recovered by ${crypto.recoverBackend}`)
  const finding = checkCommitment(bytes, { domain: DEFAULT_DOMAIN }, crypto, new Uint8Array(RECORD_SIZE))
  const { verdict } = verdictOf(finding)
  if (expected === null && verdict !== 'reject') throw new Error(`verdict ${verdict} (${findingName(finding)}), expected reject`)
  if (String(v['name']).startsWith('high s') && expected !== null) expectEqual(verdict, 'ignore', 'verdict on high s')
}

function txLists(json: unknown, { cryptos: [crypto] }: Context): Vector[] {
  const { hashes, repeated, verdicts } = sectionsOf(json, ['hashes', 'repeated', 'verdicts'])
  const record = new Uint8Array(RECORD_SIZE)
  return [
    ...vectorsOf(hashes, 'hashes', ['name'], (v) => {
      expectEqual(txListHash(crypto, bytesOf(v['txlist'], 'txlist')), bytesOf(v['hash'], 'hash'), 'hash')
    }),
    ...vectorsOf(repeated, 'repeated', ['repeat', 'length'], (v) => {
      const [byte] = bytesOf(v['repeat'], 'repeat')
      const txList = new Uint8Array(Number(integerOf(v['length'], 'length'))).fill(byte ?? 0)
      expectEqual(txListHash(crypto, txList), bytesOf(v['hash'], 'hash'), 'hash')
    }),
    ...vectorsOf(verdicts, 'verdicts', ['name'], (v) => {
      const ssz = bytesOf(v['ssz'], 'ssz')
      const gossip = checkTxList(ssz, crypto, record)
      const accepted = verdictOf(gossip).verdict === 'accept'
      expectEqual(accepted, booleanOf(v['gossip'], 'gossip'), `passes as gossip (${findingName(gossip)})`)
      const response = checkTxListResponse(ssz, crypto, record)
      const passes = response === Finding.valid || response === Finding.not_found
      expectEqual(passes, booleanOf(v['response'], 'response'), `passes as a response (${findingName(response)})`)
    }),
  ]
}

function messageIds(json: unknown): Vector[] {
  return vectorsOf(arrayOf(json, 'top level'), 'message-ids', ['name'], (v) => {
    expectEqual(messageId(bytesOf(v['data'], 'data')), bytesOf(v['id'], 'id'), 'id')
  })
}

function chain(json: unknown, { cryptos: [crypto] }: Context): Vector[] {
  const file = objectOf(json, 'top level')
  const items = arrayOf(file['commitments'], 'commitments')
  const signers = arrayOf(file['signers'], 'signers').map((signer, i) => bytesOf(signer, `signers[${i}]`))
  const firstBlock = integerOf(file['firstBlock'], 'firstBlock')
  const slasher = bytesOf(file['slasherAddress'], 'slasherAddress')
  const turn = Number(integerOf(file['windowLengthBlocks'], 'windowLengthBlocks'))
  const hashes: (Uint8Array | undefined)[] = []
  let number = 0
  return vectorsOf(items, 'commitments', [], (v) => {
    const i = number++
    const bytes = bytesOf(v['ssz'], 'ssz')
    const record = new Uint8Array(RECORD_SIZE)
    expectEqual(findingName(checkCommitment(bytes, { domain: DEFAULT_DOMAIN, slasher }, crypto, record)), 'valid', 'finding')
    hashes[i] = record.slice(RECORD_HASH)
    const view = new CommitmentView(bytes)
    expectEqual(view.blockNumber, firstBlock + BigInt(i), 'block number')
    expectEqual(record.subarray(RECORD_SIGNER, RECORD_HASH), signers[Math.floor(i / turn) % signers.length], 'signer')
    expectEqual(view.eop, (i + 1) % turn === 0, 'end of the turn')
    expectEqual(txListHash(crypto, bytesOf(v['txlist'], 'txlist')), view.rawTxListHash, 'hash of the txlist')
    if (i > 0) expectEqual(view.parentPreconfirmationHash, hashes[i - 1], 'parent link')
  })
}

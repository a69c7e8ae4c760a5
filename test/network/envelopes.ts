import { createHash } from 'node:crypto'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { RPC } from '@libp2p/gossipsub/message'
import type { PrivateKey } from '@libp2p/interface'

/**
 * Envelopes of gossip messages and what becomes of each (SPEC §5, H66): at our node (`network/gossip/envelope.ts`), and at a Rust peer
 * (`npm run interop -- --only H66` holds the second column against it).
 */
export interface EnvelopeCase {
  readonly name: string
  /** `pass`: to the validator, and on. `drop`: without a penalty, and without taking the id. `reject`: dropped, and its sender penalised. */
  readonly ours: 'pass' | 'drop' | 'reject'
  /** `accept`: to its application. `penalty`: an invalid message of its sender's. */
  readonly rust: 'accept' | 'penalty'
  /** The message in the form of the wire. */
  readonly make: (authors: Authors, message: Unsigned) => Promise<Uint8Array>
}

export interface Unsigned { readonly data: Uint8Array; readonly seqno: Uint8Array; readonly topic: string }
type Fields = { readonly [K in 'from' | 'data' | 'seqno' | 'signature' | 'key']?: Uint8Array | undefined } & { readonly topic: string }

/** Each kind of key that libp2p knows. */
export interface Authors { readonly ed25519: PrivateKey; readonly other: PrivateKey; readonly secp256k1: PrivateKey; readonly rsa: PrivateKey; readonly ecdsa: PrivateKey }

export async function createAuthors(): Promise<Authors> {
  const [ed25519, other, secp256k1, rsa, ecdsa] = await Promise.all([
    generateKeyPair('Ed25519'), generateKeyPair('Ed25519'), generateKeyPair('secp256k1'), generateKeyPair('RSA', 2_048), generateKeyPair('ECDSA'),
  ])
  return { ed25519, other, secp256k1, rsa, ecdsa }
}

const keyOf = (author: PrivateKey): Uint8Array => publicKeyToProtobuf(author.publicKey)
const idOf = (author: PrivateKey): Uint8Array => author.publicKey.toMultihash().bytes
const bytes = (...parts: ReadonlyArray<Uint8Array | readonly number[]>): Buffer => Buffer.concat(parts.map(part => Uint8Array.from(part)))
const identity = (digest: Uint8Array): Buffer => bytes([0x00, digest.length], digest)
const flipped = (value: Uint8Array): Uint8Array => value.map((byte, at) => at === 40 ? byte ^ 1 : byte)

const SIGNED_PREFIX = Buffer.from('libp2p-pubsub:')
const encode = (fields: Fields): Uint8Array => RPC.Message.encode(Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)))

interface Changes {
  readonly author?: keyof Authors
  /** Signed as given, so that nothing but the form is wrong. */
  readonly from?: (author: PrivateKey) => Uint8Array | undefined
  readonly seqno?: Uint8Array | undefined
  readonly key?: (author: PrivateKey, authors: Authors) => Uint8Array
  readonly signature?: (signature: Uint8Array, authors: Authors) => Uint8Array | undefined | Promise<Uint8Array>
  /** Of the encoded message. */
  readonly wire?: (encoded: Uint8Array, fields: Fields, authors: Authors) => Uint8Array
}

function envelope(name: string, ours: EnvelopeCase['ours'], rust: EnvelopeCase['rust'], changes: Changes = {}): EnvelopeCase {
  return {
    name, ours, rust,
    async make(authors, message) {
      const author = authors[changes.author ?? 'ed25519']
      const signed: Fields = {
        from: changes.from === undefined ? idOf(author) : changes.from(author), data: message.data,
        seqno: 'seqno' in changes ? changes.seqno : message.seqno, topic: message.topic,
      }
      const signature = await author.sign(bytes(SIGNED_PREFIX, encode(signed)))
      const fields: Fields = {
        ...signed,
        signature: changes.signature === undefined ? signature : await changes.signature(signature, authors),
        key: changes.key?.(author, authors),
      }
      const encoded = encode(fields)
      return changes.wire?.(encoded, fields, authors) ?? encoded
    },
  }
}

// ---- secp256k1 signatures in DER

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
function integersOf(der: Uint8Array): readonly [bigint, bigint] {
  const r = der.subarray(4, 4 + der[3]!)
  const s = der.subarray(6 + r.length, 6 + r.length + der[5 + r.length]!)
  return [BigInt(`0x${Buffer.from(r).toString('hex')}`), BigInt(`0x${Buffer.from(s).toString('hex')}`)]
}
function integer(value: bigint, padding = 0): Buffer {
  const hex = value.toString(16)
  const digits = Buffer.from(hex.padStart(hex.length + hex.length % 2, '0'), 'hex')
  const content = bytes(Buffer.alloc(padding), digits[0]! >= 0x80 ? [0] : [], digits)
  return bytes([0x02, content.length], content)
}
const sequence = (...parts: readonly Uint8Array[]): Buffer => { const content = bytes(...parts); return bytes([0x30, content.length], content) }
const fixed = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')

// ---- the wire

const LENGTH_DELIMITED = 2
const field = (number: number, value: Uint8Array): Buffer => bytes([number << 3 | LENGTH_DELIMITED], varint(value.length), value)
function varint(value: number): number[] {
  return value < 128 ? [value] : [value & 0x7f | 0x80, ...varint(Math.floor(value / 128))]
}
const NUMBERS = { from: 1, data: 2, seqno: 3, topic: 4, signature: 5, key: 6 } as const
const fieldsOnWire = (fields: Fields): Buffer[] => (Object.keys(NUMBERS) as Array<keyof typeof NUMBERS>).flatMap(name => {
  const value = fields[name]
  return value === undefined ? [] : [field(NUMBERS[name], typeof value === 'string' ? Buffer.from(value) : value)]
})

/** Ed25519: the order of the group, to make S one that is not reduced. */
const ED25519_ORDER = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n
function unreduced(signature: Uint8Array): Uint8Array {
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + ED25519_ORDER
  return bytes(signature.subarray(0, 32), fixed(s).reverse())
}

export const envelopes: readonly EnvelopeCase[] = [
  envelope('Ed25519', 'pass', 'accept'),
  envelope('Ed25519, key beside', 'pass', 'accept', { key: keyOf }),
  envelope('secp256k1', 'pass', 'accept', { author: 'secp256k1' }),
  envelope('secp256k1, key beside', 'pass', 'accept', { author: 'secp256k1', key: keyOf }),

  envelope('key: empty', 'pass', 'accept', { key: () => bytes() }),
  envelope('key: no protobuf', 'pass', 'accept', { key: () => bytes([1, 2, 3]) }),
  envelope('key: cut off', 'pass', 'accept', { key: author => keyOf(author).subarray(0, 30) }),
  envelope('key: 5,000 bytes of nothing', 'pass', 'accept', { key: () => Buffer.alloc(5_000, 0xff) }),
  envelope('key: the same, long varint', 'pass', 'accept', { key: author => bytes([0x08, 0x81, 0x00, 0x12, 0x20], author.publicKey.raw) }),
  envelope('key: the same, fields in another order', 'pass', 'accept', { key: author => bytes([0x12, 0x20], author.publicKey.raw, [0x08, 0x01]) }),
  envelope('key: the same, unknown field', 'pass', 'accept', { key: author => bytes(keyOf(author), [0x18, 0x01]) }),
  envelope('key: another author\'s', 'drop', 'penalty', { key: (_, { other }) => keyOf(other) }),
  envelope('key: another author\'s, secp256k1', 'drop', 'penalty', { key: (_, { secp256k1 }) => keyOf(secp256k1) }),
  // a kind of key that this Rust peer is not built with is no key to it
  envelope('key: another author\'s, RSA', 'drop', 'accept', { key: (_, { rsa }) => keyOf(rsa) }),

  envelope('from: absent', 'drop', 'penalty', { from: () => undefined }),
  envelope('from: empty', 'drop', 'penalty', { from: () => bytes() }),
  envelope('from: one byte', 'drop', 'penalty', { from: () => bytes([0]) }),
  envelope('from: cut off', 'drop', 'penalty', { from: author => idOf(author).subarray(0, 37) }),
  envelope('from: a byte too many', 'drop', 'penalty', { from: author => bytes(idOf(author), [0]) }),
  envelope('from: unknown field', 'drop', 'penalty', { from: author => identity(bytes(keyOf(author), [0x18, 0x01])) }),
  envelope('from: unknown field, key beside', 'drop', 'penalty', { from: author => identity(bytes(keyOf(author), [0x18, 0x01])), key: keyOf }),
  envelope('from: fields in another order', 'drop', 'penalty', { from: author => identity(bytes([0x12, 0x20], author.publicKey.raw, [0x08, 0x01])) }),
  envelope('from: long varint', 'drop', 'penalty', { from: author => identity(bytes([0x08, 0x81, 0x00, 0x12, 0x20], author.publicKey.raw)) }),
  envelope('from: kind of key twice', 'drop', 'penalty', { from: author => identity(bytes([0x08, 0x00], keyOf(author))) }),
  envelope('from: long code of its hash', 'drop', 'penalty', { from: author => bytes([0x80, 0x00, 0x24], keyOf(author)) }),
  envelope('from: long length of its hash', 'drop', 'penalty', { from: author => bytes([0x00, 0xa4, 0x00], keyOf(author)) }),
  envelope('from: hashed, key beside', 'drop', 'penalty', { from: author => bytes([0x12, 0x20], createHash('sha256').update(keyOf(author)).digest()), key: keyOf }),
  envelope('from: secp256k1, unknown field', 'drop', 'penalty', { author: 'secp256k1', from: author => identity(bytes(keyOf(author), [0x18, 0x01])) }),
  envelope('from: another author\'s', 'reject', 'penalty', { wire: (_, fields, { other }) => encode({ ...fields, from: idOf(other) }) }),
  envelope('from: another author\'s, the right key beside', 'drop', 'penalty', { wire: (_, fields, { ed25519, other }) => encode({ ...fields, from: idOf(other), key: keyOf(ed25519) }) }),
  envelope('from: RSA', 'drop', 'penalty', { author: 'rsa' }),
  envelope('from: RSA, key beside', 'drop', 'penalty', { author: 'rsa', key: keyOf }),
  envelope('from: ECDSA', 'drop', 'penalty', { author: 'ecdsa' }),
  envelope('from: ECDSA, key beside', 'drop', 'penalty', { author: 'ecdsa', key: keyOf }),

  envelope('seqno: absent', 'drop', 'penalty', { seqno: undefined }),
  envelope('seqno: empty', 'drop', 'accept', { seqno: bytes() }),
  envelope('seqno: 7 bytes', 'drop', 'penalty', { seqno: Buffer.alloc(7, 1) }),
  envelope('seqno: 9 bytes', 'drop', 'penalty', { seqno: Buffer.alloc(9, 1) }),
  envelope('seqno: zero', 'pass', 'accept', { seqno: Buffer.alloc(8) }),
  envelope('seqno: another than was signed', 'reject', 'penalty', { wire: (_, fields) => encode({ ...fields, seqno: Buffer.alloc(8, 9) }) }),

  envelope('signature: absent', 'drop', 'penalty', { signature: () => undefined }),
  envelope('signature: empty', 'drop', 'penalty', { signature: () => bytes() }),
  envelope('signature: 63 bytes', 'drop', 'penalty', { signature: signature => signature.subarray(0, 63) }),
  envelope('signature: 65 bytes', 'drop', 'penalty', { signature: signature => bytes(signature, [0]) }),
  envelope('signature: one bit changed', 'reject', 'penalty', { signature: flipped }),
  envelope('signature: another author\'s', 'reject', 'penalty', { signature: (_, { other }) => other.sign(bytes([1])) }),
  envelope('signature: S not reduced', 'reject', 'penalty', { signature: unreduced }),
  envelope('signature: secp256k1, high S', 'drop', 'accept', { author: 'secp256k1', signature: der => { const [r, s] = integersOf(der); return sequence(integer(r), integer(ORDER - s)) } }),
  envelope('signature: secp256k1, padded', 'drop', 'penalty', { author: 'secp256k1', signature: der => { const [r, s] = integersOf(der); return sequence(integer(r, 1), integer(s)) } }),
  envelope('signature: secp256k1, a byte too many', 'drop', 'penalty', { author: 'secp256k1', signature: der => bytes(der, [0]) }),
  envelope('signature: secp256k1, long length', 'drop', 'penalty', { author: 'secp256k1', signature: der => bytes([0x30, 0x81], der.subarray(1)) }),
  envelope('signature: secp256k1, not DER', 'drop', 'penalty', { author: 'secp256k1', signature: der => bytes(...integersOf(der).map(fixed)) }),
  envelope('signature: secp256k1, S of zero', 'drop', 'penalty', { author: 'secp256k1', signature: der => sequence(integer(integersOf(der)[0]), bytes([0x02, 0x01, 0x00])) }),
  envelope('signature: secp256k1, of something else', 'reject', 'penalty', { author: 'secp256k1', signature: (_, { secp256k1 }) => secp256k1.sign(bytes([1])) }),

  envelope('wire: unknown field', 'pass', 'accept', { wire: encoded => bytes(encoded, field(15, bytes([1, 2, 3]))) }),
  envelope('wire: fields in another order', 'pass', 'accept', { wire: (_, fields) => bytes(...fieldsOnWire(fields).reverse()) }),
  envelope('wire: from twice, the right one last', 'pass', 'accept', { wire: (encoded, _, { other }) => bytes(field(NUMBERS.from, idOf(other)), encoded) }),
  envelope('wire: from twice, another last', 'reject', 'penalty', { wire: (encoded, _, { other }) => bytes(encoded, field(NUMBERS.from, idOf(other))) }),
  envelope('wire: seqno twice, the right one last', 'pass', 'accept', { wire: encoded => bytes(field(NUMBERS.seqno, bytes()), encoded) }),
  envelope('wire: signature twice, the right one last', 'pass', 'accept', { wire: encoded => bytes(field(NUMBERS.signature, bytes([1])), encoded) }),
  envelope('wire: data twice, the right one last', 'pass', 'accept', { wire: encoded => bytes(field(NUMBERS.data, bytes([1])), encoded) }),
  envelope('wire: topic twice, the right one last', 'pass', 'accept', { wire: encoded => bytes(field(NUMBERS.topic, Buffer.from('/x')), encoded) }),
  envelope('wire: key twice, nothing last', 'pass', 'accept', { wire: (encoded, _, { other }) => bytes(encoded, field(NUMBERS.key, keyOf(other)), field(NUMBERS.key, bytes())) }),
]

/** An RPC that holds one message, as it is. */
export const rpcOf = (message: Uint8Array): Uint8Array => field(2, message)

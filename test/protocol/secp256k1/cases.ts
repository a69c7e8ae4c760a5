/**
 * Signatures of known signers, right and wrong in every way: the material of the tests and of the campaign. What each one is must be
 * said by libraries: `expected` is only there where it follows from how the case was made.
 */
import { createHash } from 'node:crypto'
import { getPublicKey } from '@noble/secp256k1'
import type { Crypto } from '../../../src/protocol/index.js'
import { addressOf, signerFromKey } from '../../../src/protocol/index.js'
import { N, P, inverse, mod, power } from './checked-module.js'

export interface Case {
  readonly kind: string
  readonly digest: Uint8Array
  readonly signature: Uint8Array
  readonly v: number
  readonly publicKey: Uint8Array
  readonly signer: Uint8Array
  readonly expected?: boolean
  /** Two points of its sum have the same x. */
  readonly exceptional?: boolean
}

/** Chance that can be repeated. */
export class Random {
  #count = 0
  constructor(private readonly seed: number | string) {}

  bytes(): Uint8Array { return new Uint8Array(createHash('sha256').update(`${this.seed} ${this.#count++}`).digest()) }
  /** 0 .. below − 1, for a small `below`. */
  below(below: number): number { return Buffer.from(this.bytes().buffer).readUIntBE(0, 6) % below }
  scalar(): bigint { return mod(toNumber(this.bytes()), N - 1n) + 1n }
  fraction(): number { return this.below(2 ** 32) / 2 ** 32 }
}

export function toNumber(bytes: Uint8Array): bigint { return BigInt(`0x${Buffer.from(bytes).toString('hex')}`) }
export function toBytes(value: bigint): Uint8Array { return new Uint8Array(Buffer.from(value.toString(16).padStart(64, '0'), 'hex')) }

interface Native {
  ecdsaSign(digest: Uint8Array, key: Uint8Array): { readonly signature: Uint8Array; readonly recid: number }
  publicKeyCreate(key: Uint8Array, compressed: boolean): Uint8Array
}

const loaded: unknown = await import('secp256k1/bindings.js').then(module => module.default, () => undefined)
const native = loaded as Native | undefined

/** x ‖ y. */
export function publicKeyOf(key: bigint): Uint8Array {
  const bytes = toBytes(key)
  return new Uint8Array((native?.publicKeyCreate(bytes, false) ?? getPublicKey(bytes, false)).subarray(1))
}

interface Signed { readonly signature: Uint8Array; readonly v: number }

export function signDigest(digest: Uint8Array, key: bigint): Signed {
  if (native !== undefined) {
    const { signature, recid } = native.ecdsaSign(digest, toBytes(key))
    return { signature: new Uint8Array(signature), v: recid }
  }
  const signature = signerFromKey(toBytes(key))(digest)
  return { signature: signature.slice(0, 64), v: signature[64]! }
}

/** The signature of m with the nonce k, whatever m and k are; undefined where r or s is zero. */
function signWith(m: bigint, k: bigint, key: bigint): Signed | undefined {
  const point = publicKeyOf(k)
  const x = toNumber(point.subarray(0, 32))
  const r = mod(x, N)
  const s = mod(inverse(k, N) * (m + r * key), N)
  if (r === 0n || s === 0n) return undefined
  return { signature: joined(r, s), v: (point[63]! & 1) | (x >= N ? 2 : 0) }
}

function joined(r: bigint, s: bigint): Uint8Array { return new Uint8Array([...toBytes(r), ...toBytes(s)]) }

function isOnCurve(x: bigint): boolean { return x < P && power(x * x * x + 7n, (P - 1n) / 2n, P) === 1n }

interface Key { readonly key: bigint; readonly publicKey: Uint8Array; readonly signer: Uint8Array }

type Draft = { digest: Uint8Array; signature: Uint8Array; v: number; publicKey: Uint8Array; signer: Uint8Array; expected?: boolean }

/** What is done to a good signature. */
const CHANGES: Readonly<Record<string, (draft: Draft, random: Random, other: Key) => void>> = {
  'as signed': draft => { draft.expected = true },
  'digest changed': (draft, random) => { flip(draft.digest, 0, 32, random) },
  'r changed': (draft, random) => { flip(draft.signature, 0, 32, random) },
  's changed': (draft, random) => { flip(draft.signature, 32, 32, random) },
  'v ^ 1': draft => { draft.v ^= 1; draft.expected = false },
  'v ^ 2': draft => { draft.v ^= 2 },
  'v ^ 3': draft => { draft.v ^= 3 },
  'v above 3': (draft, random) => { draft.v = draft.v + 4 * (1 + random.below(3)); draft.expected = false },
  'v far above 3': (draft, random) => { draft.v = 4 + random.below(252); draft.expected = false },
  'another signer': (draft, _random, { publicKey, signer }) => { draft.publicKey = publicKey; draft.signer = signer; draft.expected = false },
  'high s': draft => { replaceS(draft, N - s(draft)); draft.expected = false },
  'high s, v with it': draft => { replaceS(draft, N - s(draft)); draft.v ^= 1; draft.expected = true },
  'r = 0': draft => { draft.signature.fill(0, 0, 32); draft.expected = false },
  's = 0': draft => { draft.signature.fill(0, 32); draft.expected = false },
  'r = n': draft => { draft.signature.set(toBytes(N), 0); draft.expected = false },
  's = n': draft => { replaceS(draft, N); draft.expected = false },
  'r = n − 1': draft => { draft.signature.set(toBytes(N - 1n), 0) },
  's = n − 1': draft => { replaceS(draft, N - 1n) },
  'r = 1': draft => { draft.signature.set(toBytes(1n), 0) },
  's = 1': draft => { replaceS(draft, 1n) },
  'r = 2^256 − 1': draft => { draft.signature.fill(255, 0, 32); draft.expected = false },
  's = 2^256 − 1': draft => { draft.signature.fill(255, 32); draft.expected = false },
  's + n': draft => { if (s(draft) + N < 2n ** 256n) replaceS(draft, s(draft) + N) },
  's + 1': draft => { replaceS(draft, mod(s(draft) + 1n, N)) },
  'r − n': (draft, random) => { draft.signature.set(toBytes(BigInt(random.below(1_000_000))), 0); draft.v |= 2 },
  'r no point': (draft, random) => { draft.signature.set(toBytes(someX(random, false)), 0); draft.expected = false },
  'r another point': (draft, random) => { draft.signature.set(toBytes(someX(random, true)), 0) },
  'digest 0': draft => { draft.digest.fill(0) },
  'digest n': draft => { draft.digest.set(toBytes(N)) },
  'digest 2^256 − 1': draft => { draft.digest.fill(255) },
}

function s(draft: Draft): bigint { return toNumber(draft.signature.subarray(32)) }
function replaceS(draft: Draft, value: bigint): void { draft.signature.set(toBytes(value), 32) }

function flip(bytes: Uint8Array, from: number, length: number, random: Random): void {
  const bit = random.below(8 * length)
  bytes[from + (bit >> 3)] = bytes[from + (bit >> 3)]! ^ 1 << (bit & 7)
}

function someX(random: Random, onCurve: boolean): bigint {
  for (;;) {
    const x = random.scalar()
    if (isOnCurve(x) === onCurve) return x
  }
}

export class Cases {
  readonly kinds = Object.keys(CHANGES)
  readonly keys: readonly Key[]
  #next = 0

  constructor(readonly random: Random, private readonly crypto: Crypto, signers = 4) {
    this.keys = Array.from({ length: signers }, () => this.#key(random.scalar()))
  }

  /** Two in five as signed, the rest each kind in turn. */
  next(): Case {
    const kind = this.random.below(5) < 2 ? 'as signed' : this.kinds[this.#next++ % this.kinds.length]!
    const own = this.random.below(this.keys.length)
    const { key, publicKey, signer } = this.keys[own]!
    const digest = this.random.bytes()
    const draft: Draft = { digest, ...signDigest(digest, key), publicKey, signer }
    CHANGES[kind]!(draft, this.random, this.keys[(own + 1) % this.keys.length]!)
    return { kind, ...draft }
  }

  /** Good signatures that no signer makes by chance: of digests ≡ 0, with nonces near 0 and n. */
  crafted(): Case[] {
    const made: Case[] = []
    const add = (kind: string, digest: Uint8Array, k: bigint, { key, publicKey, signer }: Key): void => {
      const signed = signWith(toNumber(digest), k, key)
      if (signed === undefined) return
      const base = { digest, publicKey, signer }
      made.push({ kind, ...base, ...signed, expected: true })
      made.push({ kind: `${kind}, high s`, ...base, v: signed.v ^ 1, signature: joined(toNumber(signed.signature.subarray(0, 32)), N - toNumber(signed.signature.subarray(32))), expected: true })
      made.push({ kind: `${kind}, v ^ 1`, ...base, v: signed.v ^ 1, signature: signed.signature, expected: false })
    }
    for (const [i, key] of this.keys.entries()) {
      add('digest 0', new Uint8Array(32), this.random.scalar(), key)
      add('digest n', toBytes(N), this.random.scalar(), key)
      add('digest 2^256 − 1', new Uint8Array(32).fill(255), this.random.scalar(), key)
      this.#notReduced(made, key)
      for (let nonce = 1n; nonce <= 4n; nonce++) {
        add(`nonce ${nonce}`, this.random.bytes(), nonce + BigInt(i), key)
        add(`nonce n − ${nonce}`, this.random.bytes(), N - nonce - BigInt(i), key)
      }
    }
    return made
  }

  /** Signatures whose point has an x of n or more, so that r is x − n and v is 2 or 3; of keys made for them. */
  overflowing(count: number): Case[] {
    const made: Case[] = []
    for (let r = 1n + BigInt(this.random.below(1_000)); made.length < 10 * count; r++) {
      if (!isOnCurve(r + N)) continue
      for (const v of [2, 3]) {
        const digest = this.random.bytes()
        const signature = joined(r, this.random.scalar())
        const publicKey = this.crypto.recover(digest, signature, v)
        if (publicKey === undefined) throw new Error('no key for a point of the curve')
        const base = { digest, signature, publicKey, signer: new Uint8Array(addressOf(this.crypto, publicKey)) }
        made.push({ kind: 'r + n', ...base, v, expected: true })
        // As x itself, not modulo n: the arithmetic would hold, and r is out of range.
        made.push({ kind: 'r not reduced', ...base, signature: joined(r + N, toNumber(signature.subarray(32))), v: v & 1, expected: false })
        made.push({ kind: 'r + n, v + 4', ...base, v: v + 4, expected: false })
        made.push({ kind: 'r + n, v ^ 1', ...base, v: v ^ 1, expected: false })
        made.push({ kind: 'r + n, v ^ 2', ...base, v: v ^ 2, expected: false })
      }
    }
    return made
  }

  /**
   * Good signatures in whose sum two points are equal, or opposite. With windows of 13 and 10 bits, 20 and 26 of them, the third level
   * adds up points 16..19, the upper windows of G, and 20..23, the lower ones of the key: the key is chosen to make those the same.
   */
  exceptional(count: number): Case[] {
    return Array.from({ length: count }, (_, i) => {
      for (;;) {
        const u1 = this.random.scalar()
        const u2 = this.random.scalar()
        const upper = termsOf(u1, 13, 20).slice(16).reduce((sum, term) => sum + term, 0n)
        const lower = termsOf(u2, 10, 26).slice(0, 4).reduce((sum, term) => sum + term, 0n)
        const key = mod((i % 2 === 0 ? upper : -upper) * inverse(lower, N), N)
        const k = mod(u1 + u2 * key, N)
        if (key === 0n || k === 0n) continue
        const point = publicKeyOf(k)
        const x = toNumber(point.subarray(0, 32))
        const r = mod(x, N)
        const s = mod(r * inverse(u2, N), N)
        const { publicKey, signer } = this.#key(key)
        return {
          kind: i % 2 === 0 ? 'equal points' : 'opposite points', digest: toBytes(mod(u1 * s, N)), signature: joined(r, s),
          v: (point[63]! & 1) | (x >= N ? 2 : 0), publicKey, signer, expected: true, exceptional: true,
        }
      }
    })
  }

  /** What only a check of ranges refuses: the arithmetic holds modulo n, or modulo 2^256. */
  #notReduced(made: Case[], { key, publicKey, signer }: Key): void {
    const k = this.random.scalar()
    const point = publicKeyOf(k)
    const x = toNumber(point.subarray(0, 32))
    const parity = point[63]! & 1
    const small = this.random.scalar() >> 129n
    const digest = toBytes(mod(small * k - mod(x, N) * key, N))
    made.push({ kind: 'small s', digest, signature: joined(mod(x, N), small), v: parity, publicKey, signer, expected: true })
    made.push({ kind: 'small s + n', digest, signature: joined(mod(x, N), small + N), v: parity, publicKey, signer, expected: false })
    // r + n passes 2^256 and comes out as x.
    const r = x + 2n ** 256n - N
    if (r >= N) return
    const wrapped = this.random.bytes()
    const s = mod(inverse(k, N) * (toNumber(wrapped) + r * key), N)
    made.push({ kind: 'r + n above 2^256', digest: wrapped, signature: joined(r, s), v: 2 | parity, publicKey, signer, expected: false })
  }

  #key(key: bigint): Key {
    const publicKey = publicKeyOf(key)
    return { key, publicKey, signer: new Uint8Array(addressOf(this.crypto, publicKey)) }
  }
}

/** The terms that the module's recoding makes of a scalar. */
function termsOf(u: bigint, bits: number, windows: number): bigint[] {
  const recoded = mod((u + 2n ** BigInt(bits * windows) - 1n) * inverse(2n, N), N)
  return Array.from({ length: windows }, (_, j) => {
    const digit = recoded >> BigInt(bits * j) & 2n ** BigInt(bits) - 1n
    return (2n * digit - (2n ** BigInt(bits) - 1n)) << BigInt(bits * j)
  })
}

/** The checked build of the module: every operation, every bound asserted. */
import { readFile } from 'node:fs/promises'

interface Operations {
  readonly memory: { readonly buffer: ArrayBuffer }
  initialize(bitsG: number, bitsKey: number, signers: number): number
  magnitudeOf(a: number): number
  multiply(r: number, a: number, b: number): void
  square(r: number, a: number): void
  subtract(r: number, a: number, b: number, magnitudeB: number): void
  addElements(r: number, a: number, b: number): void
  double(r: number, a: number): void
  negateLanes(y: number, lanes: number): void
  normalize(a: number): void
  montgomery(r: number, a: number, b: number): void
  invertField(r: number, a: number): number
  invertScalars(r: number, a: number): number
  invertOne(to: number, lane: number, a: number, modulus: number): number
  shareInversion(count: number): number
  nextInverse(r: number, i: number): void
  addPoints(r: number, a: number, b: number, inverse: number): void
  loadBigEndian(r: number, from: number, stride: number): void
  fromLane(to: number, element: number, lane: number, modulus: number): void
  toLane(element: number, lane: number, a: number): void
  addWords(to: number, a: number, b: number): bigint
  subtractWords(to: number, a: number, b: number): bigint
  isBelow(a: number, b: number): number
  twice(to: number, a: number, modulus: number): void
  digit(scalar: number, bit: number, bits: number): number
  signOf(digit: number, bits: number): number
  indexOf(digit: number, sign: number, bits: number): number
  buildTable(slot: number): number
  tableSize(bits: number): number
  select(to: number, from: number, slot: number): void
  verify(count: number, stages: number): void
  prepareHashes(): void
  hashCommitments(count: number): void
}

type Region =
  | 'MULTIPLES_OF_P' | 'ORDER' | 'HALF_R_SQUARED' | 'OFFSET_G' | 'OFFSET_KEY' | 'PRIME_MODULUS' | 'ORDER_MODULUS' | 'PRIME_MINUS_ORDER'
  | 'ROUND_CONSTANTS' | 'KEY' | 'RECORDS' | 'STATUSES' | 'SCALARS' | 'PAIRS' | 'POINTS' | 'TABLES' | 'T0' | 'T5' | 'STEP' | 'W0' | 'W1'

export type Checked = Operations & Readonly<Record<Region, { readonly value: number }>>

export const P = 2n ** 256n - 2n ** 32n - 977n
export const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
export const ELEMENT = 144
const LIMB = 29n

/** A bound that does not hold traps: the call throws. */
export class TrapError extends Error {}

export class CheckedModule {
  private constructor(readonly call: Checked) {}

  static async load(bitsG = 8, bitsKey = 9, signers = 4): Promise<CheckedModule> {
    const code = await readFile(new URL('./batch-checked.wasm', import.meta.url))
    const abort = (_message: number, file: number, line: number): never => { throw new TrapError(`bound broken (${file}:${line})`) }
    const { instance } = await WebAssembly.instantiate(code, { env: { abort } })
    const module = new CheckedModule(instance.exports as unknown as Checked)
    if (module.call.initialize(bitsG, bitsKey, signers) !== 1) throw new Error('initialize failed')
    return module
  }

  get bytes(): Uint8Array { return new Uint8Array(this.call.memory.buffer) }
  get view(): DataView { return new DataView(this.call.memory.buffer) }

  /** Any representation: nine limbs a lane, as they are. */
  setLimbs(at: number, lane: number, limbs: readonly bigint[]): void {
    limbs.forEach((limb, i) => { this.view.setUint32(at + 16 * i + 4 * lane, Number(limb), true) })
  }

  limbs(at: number, lane: number): bigint[] {
    return Array.from({ length: 9 }, (_, i) => BigInt(this.view.getUint32(at + 16 * i + 4 * lane, true)))
  }

  /** The number that a lane's limbs stand for, not reduced. */
  value(at: number, lane: number): bigint { return valueOf(this.limbs(at, lane)) }

  setWords(at: number, value: bigint): void {
    for (let i = 0; i < 4; i++) this.view.setBigUint64(at + 8 * i, BigInt.asUintN(64, value >> BigInt(64 * i)), true)
  }

  words(at: number): bigint {
    let value = 0n
    for (let i = 3; i >= 0; i--) value = value << 64n | this.view.getBigUint64(at + 8 * i, true)
    return value
  }
}

export function valueOf(limbs: readonly bigint[]): bigint {
  return limbs.reduce((sum, limb, i) => sum + (limb << (LIMB * BigInt(i))), 0n)
}

/** The limbs of a number below 2^261, without carries left. */
export function limbsOf(value: bigint): bigint[] {
  return Array.from({ length: 9 }, (_, i) => i === 8 ? value >> 232n : BigInt.asUintN(29, value >> (LIMB * BigInt(i))))
}

export function mod(value: bigint, m: bigint): bigint { return ((value % m) + m) % m }

export function power(base: bigint, exponent: bigint, m: bigint): bigint {
  let result = 1n
  for (let b = mod(base, m), e = exponent; e > 0n; e >>= 1n, b = b * b % m) if (e & 1n) result = result * b % m
  return result
}

export function inverse(value: bigint, m: bigint): bigint { return power(value, m - 2n, m) }

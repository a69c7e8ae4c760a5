/**
 * From signatures to scalars. With s ≠ 0, R = (m/s)·G + (r/s)·Q is the only point that makes Q the key of (m, r, s).
 *
 * Scalars are recoded so that every digit is odd: for d windows of w bits, w·d ≥ 256,
 *
 *     k' = (k + 2^(w·d) − 1)/2 mod n,   so that   k ≡ 2k' − (2^(w·d) − 1) = Σ (2·digit_j − (2^w − 1))·2^(w·j)
 *
 * where digit_j is k' from bit w·j on. Each term is an odd number between −2^w and 2^w: never zero, so that no sum begins at infinity,
 * and its absolute value is an entry of the table's row j.
 */
import { loadBigEndian } from './points'
import { invertScalars } from './inverse'
import { copyElement } from './lanes'
import {
  ELEMENT, HALF_R_SQUARED, INVERSE, OFFSET_G, OFFSET_KEY, ORDER_MODULUS, PRIME_MINUS_ORDER, PRODUCT, RECORD, RECORDS, RECORD_R, RECORD_S,
  RECORD_TABLE, RECORD_V, SCALAR, SCALARS, STATUSES, S_PRODUCTS, T0, T1, T2, T3, VECTOR, W0,
} from './memory'
import { montgomery } from './scalar'
import { INVALID, VALID } from './status'
import { fromLane, isBelow, isZero, readBigEndian } from './words'

/**
 * Step 1: what is out of range is `INVALID`, as for every recovery: v above 3, r or s zero or not below n, r not below p − n where v
 * asks for r + n. Its r and s become 1, so that it takes part in the arithmetic without harm; so does its table where there is none of that number.
 */
export function checkRanges(count: i32, tables: i32): void {
  for (let i = 0; i < count; i++) {
    const record = RECORDS + RECORD * i
    if (load<u8>(record + RECORD_TABLE) as i32 >= tables) {
      store<u8>(record + RECORD_TABLE, 0)
      store<u8>(record + RECORD_V, 255)
    }
    if (isInRange(record)) {
      store<u8>(STATUSES + i, VALID)
    } else {
      store<u8>(STATUSES + i, INVALID)
      memory.fill(record + RECORD_R, 0, 64)
      store<u8>(record + RECORD_R + 31, 1)
      store<u8>(record + RECORD_S + 31, 1)
    }
  }
}

function isInRange(record: usize): bool {
  const v = load<u8>(record + RECORD_V)
  if (v > 3) return false
  readBigEndian(W0, record + RECORD_S)
  if (isZero(W0) || !isBelow(W0, ORDER_MODULUS)) return false
  readBigEndian(W0, record + RECORD_R)
  return !isZero(W0) && isBelow(W0, ORDER_MODULUS) && (v < 2 || isBelow(W0, PRIME_MINUS_ORDER))
}

/**
 * Step 2: m/s and r/s modulo n, recoded, with one inversion for all. The digest m is taken modulo n, as every recovery does.
 * False where the inversion failed, which cannot be: no s is zero.
 *
 * With P_b the Montgomery product of s_0 … s_b, which is s_0·…·s_b/R^b, the running inverse I_b is (R/2)/P_b. Then
 * I_b·P_(b−1)/R = (R/2)/s_b, and the next is I_b·s_b/R = (R/2)/P_(b−1). The Montgomery product with m is m/(2s).
 */
export function recodeScalars(groups: i32): bool {
  for (let b = 0; b < groups; b++) {
    const s = S_PRODUCTS + 2 * ELEMENT * b
    loadBigEndian(s, RECORDS + 4 * RECORD * b + RECORD_S, RECORD)
    if (b == 0) {
      copyElement(PRODUCT, s)
    } else {
      copyElement(s + ELEMENT, PRODUCT)
      montgomery(PRODUCT, PRODUCT, s)
    }
  }
  if (!invertScalars(INVERSE, PRODUCT)) return false
  montgomery(INVERSE, INVERSE, HALF_R_SQUARED)
  for (let b = groups - 1; b >= 0; b--) {
    const s = S_PRODUCTS + 2 * ELEMENT * b, records = RECORDS + 4 * RECORD * b
    if (b == 0) {
      copyElement(T0, INVERSE)
    } else {
      montgomery(T0, INVERSE, s + ELEMENT)
      montgomery(INVERSE, INVERSE, s)
    }
    loadBigEndian(T1, records, RECORD)
    montgomery(T2, T0, T1)
    loadBigEndian(T1, records + RECORD_R, RECORD)
    montgomery(T3, T0, T1)
    writeScalars(4 * b, T2, OFFSET_G, 0)
    writeScalars(4 * b, T3, OFFSET_KEY, SCALAR)
  }
  return true
}

/** Adds the offset and writes k' for the four signatures from `first` on. */
function writeScalars(first: i32, halves: usize, offset: usize, which: usize): void {
  for (let at: usize = 0; at < ELEMENT; at += VECTOR) {
    v128.store(halves + at, i32x4.add(v128.load(halves + at), v128.load(offset + at)))
  }
  for (let lane = 0; lane < 4; lane++) {
    const to = SCALARS + 2 * SCALAR * (first + lane) + which
    fromLane(to, halves, lane, ORDER_MODULUS)
    v128.store(to, v128.splat<u64>(0), 32)
  }
}

/** Bits `bit` .. `bit + bits − 1` of a recoded scalar. */
// @ts-ignore: decorator
@inline
export function digit(scalar: usize, bit: i32, bits: i32): i32 {
  return ((load<u64>(scalar + (bit >> 3)) >> (bit & 7)) as i32) & ((1 << bits) - 1)
}

/** All ones where the digit stands for a negative number. */
// @ts-ignore: decorator
@inline
export function signOf(digit: i32, bits: i32): i32 { return (digit >> (bits - 1)) - 1 }

/**
 * Where in its row the entry is: 2·digit − (2^w − 1) = 2·(digit − 2^(w−1)) + 1 where that is positive, and the negative of
 * 2·(2^(w−1) − 1 − digit) + 1 where not: the lower w − 1 bits, inverted for a negative one.
 */
// @ts-ignore: decorator
@inline
export function indexOf(digit: i32, sign: i32, bits: i32): i32 { return (digit ^ sign) & ((1 << (bits - 1)) - 1) }

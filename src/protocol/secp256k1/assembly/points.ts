/** Points of the curve, four side by side, in affine coordinates. */
import { expectMagnitude } from './bounds'
import { addElements, multiply, negateWhere, normalize, square, subtract } from './field'
import { LIMB_MASK, copyElement } from './lanes'
import { ELEMENT, T0, T1, T2, T3, VECTOR } from './memory'

/**
 * r = a + b, where `inverse` is 1/(b.x − a.x), magnitude 1. Takes x of magnitude 1 and y of at most 2; gives 1 and 1. r may be a.
 *
 *     λ = (b.y − a.y)·inverse          2 + 3 = 5, times 1
 *     x = λ² − (a.x + b.x)             1 + 3 = 4, normalized
 *     y = λ·(a.x − x) − a.y            1·3, then 1 + 3 = 4, normalized
 */
// @ts-ignore: decorator
@inline
export function addPoints(r: usize, a: usize, b: usize, inverse: usize): void {
  subtract(T0, b + ELEMENT, a + ELEMENT, 2)
  multiply(T1, T0, inverse)
  square(T2, T1)
  addElements(T0, a, b)
  subtract(T2, T2, T0, 2)
  normalize(T2)
  subtract(T0, a, T2, 1)
  multiply(T3, T1, T0)
  subtract(r + ELEMENT, T3, a + ELEMENT, 2)
  normalize(r + ELEMENT)
  copyElement(r, T2)
}

/** Four table entries as a point; y is negated where the lane of `negative` is all ones. Gives magnitudes 1 and 2. */
export function loadEntries(r: usize, a: usize, b: usize, c: usize, d: usize, negative: v128): void {
  loadNumbers(
    r, v128.load(a), v128.load(b), v128.load(c), v128.load(d),
    v128.load(a, 16), v128.load(b, 16), v128.load(c, 16), v128.load(d, 16),
  )
  loadNumbers(
    r + ELEMENT, v128.load(a, 32), v128.load(b, 32), v128.load(c, 32), v128.load(d, 32),
    v128.load(a, 48), v128.load(b, 48), v128.load(c, 48), v128.load(d, 48),
  )
  negateWhere(r + ELEMENT, negative)
}

/** Four big-endian numbers, each `stride` bytes after the last, as an element. */
export function loadBigEndian(r: usize, from: usize, stride: usize): void {
  const b = from + stride, c = b + stride, d = c + stride
  loadNumbers(
    r, reversed(from, 16), reversed(b, 16), reversed(c, 16), reversed(d, 16),
    reversed(from, 0), reversed(b, 0), reversed(c, 0), reversed(d, 0),
  )
}

// @ts-ignore: decorator
@inline
function reversed(at: usize, offset: usize): v128 {
  const x = v128.load(at + offset)
  return i8x16.shuffle(x, x, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
}

/** Four numbers of 256 bits, their lower and their upper halves, as an element. */
// @ts-ignore: decorator
@inline
function loadNumbers(r: usize, a0: v128, b0: v128, c0: v128, d0: v128, a1: v128, b1: v128, c1: v128, d1: v128): void {
  // Words of 32 bits: w0 has the lowest word of all four numbers.
  const ab0 = i32x4.shuffle(a0, b0, 0, 4, 1, 5), cd0 = i32x4.shuffle(c0, d0, 0, 4, 1, 5)
  const ab2 = i32x4.shuffle(a0, b0, 2, 6, 3, 7), cd2 = i32x4.shuffle(c0, d0, 2, 6, 3, 7)
  const ab4 = i32x4.shuffle(a1, b1, 0, 4, 1, 5), cd4 = i32x4.shuffle(c1, d1, 0, 4, 1, 5)
  const ab6 = i32x4.shuffle(a1, b1, 2, 6, 3, 7), cd6 = i32x4.shuffle(c1, d1, 2, 6, 3, 7)
  const w0 = i32x4.shuffle(ab0, cd0, 0, 1, 4, 5), w1 = i32x4.shuffle(ab0, cd0, 2, 3, 6, 7)
  const w2 = i32x4.shuffle(ab2, cd2, 0, 1, 4, 5), w3 = i32x4.shuffle(ab2, cd2, 2, 3, 6, 7)
  const w4 = i32x4.shuffle(ab4, cd4, 0, 1, 4, 5), w5 = i32x4.shuffle(ab4, cd4, 2, 3, 6, 7)
  const w6 = i32x4.shuffle(ab6, cd6, 0, 1, 4, 5), w7 = i32x4.shuffle(ab6, cd6, 2, 3, 6, 7)
  // Limb i begins at bit 29·i, that is 3·i bits before word i.
  const mask = v128.splat<u32>(LIMB_MASK)
  v128.store(r, v128.and(w0, mask))
  v128.store(r, straddle(w0, w1, 1), 1 * VECTOR)
  v128.store(r, straddle(w1, w2, 2), 2 * VECTOR)
  v128.store(r, straddle(w2, w3, 3), 3 * VECTOR)
  v128.store(r, straddle(w3, w4, 4), 4 * VECTOR)
  v128.store(r, straddle(w4, w5, 5), 5 * VECTOR)
  v128.store(r, straddle(w5, w6, 6), 6 * VECTOR)
  v128.store(r, straddle(w6, w7, 7), 7 * VECTOR)
  v128.store(r, i32x4.shr_u(w7, 8), 8 * VECTOR)
  expectMagnitude(r, 1)
}

/** Limb i, of words i − 1 and i. */
// @ts-ignore: decorator
@inline
function straddle(lower: v128, upper: v128, i: i32): v128 {
  return v128.and(v128.or(i32x4.shr_u(lower, 32 - 3 * i), i32x4.shl(upper, 3 * i)), v128.splat<u32>(LIMB_MASK))
}

/**
 * Arithmetic modulo p on elements (four numbers side by side, nine limbs of 29 bits). Results are not unique representations: they are
 * right modulo p, within the magnitude that each operation states (`bounds.ts`).
 *
 * Constants used in the bounds: |limb| = 2^29, p's limbs are 2^29 − 977, 2^29 − 9, then 2^29 − 1 each and 2^24 − 1 at the top.
 */
import { expectMagnitude, magnitudeOf, checked } from './bounds'
import { productColumns, squareColumns } from './columns'
import { FOLD_LOW, FOLD_SHIFT, TOP_FOLD_LOW, TOP_FOLD_SHIFT } from './curve'
import { LIMB_BITS, LIMB_MASK, TOP_BITS, TOP_MASK, add64, pack, product, widen, zero } from './lanes'
import { ABOVE, ABOVE_ZERO, COLUMNS_HIGH, COLUMNS_LOW, ELEMENT, MULTIPLES_OF_P, VECTOR } from './memory'

/**
 * r = a·b. Takes magnitudes whose product is at most 7; gives 1.
 *
 * A column is at most nine products, 9·7·2^58 = 63·2^58; what `reduceColumns` adds to it stays below 2^46, and the sum below 2^64.
 */
export function multiply(r: usize, a: usize, b: usize): void {
  if (checked) assert(magnitudeOf(a) * magnitudeOf(b) <= 7, 'multiply')
  productColumns(a, b)
  reduceColumns(r)
  expectMagnitude(r, 1)
}

/** r = a². Takes magnitude 2 (so that a doubled limb fits 32 bits, and as for `multiply`); gives 1. */
export function square(r: usize, a: usize): void {
  expectMagnitude(a, 2)
  squareColumns(a)
  reduceColumns(r)
  expectMagnitude(r, 1)
}

/**
 * r = a − b, without carries: a + k·p − b with k one above b's magnitude m, since a limb of (m + 1)·p is then at least b's:
 * (m + 1)·(2^29 − 977) ≥ m·2^29 and (m + 1)·(2^24 − 1) ≥ m·(2^24 + 16) for m ≤ 3.
 * Takes magnitudes that add up to at most 6 and b of at most `magnitudeB` ≤ 3; gives their sum and 1 more.
 */
// @ts-ignore: decorator
@inline
export function subtract(r: usize, a: usize, b: usize, magnitudeB: u32): void {
  const bias = MULTIPLES_OF_P + (magnitudeB + 1) * ELEMENT
  if (checked) assert(magnitudeB <= 3 && magnitudeOf(b) <= magnitudeB && magnitudeOf(a) + magnitudeB <= 6, 'subtract')
  for (let at: usize = 0; at < ELEMENT; at += VECTOR) {
    v128.store(r + at, i32x4.sub(i32x4.add(v128.load(a + at), v128.load(bias + at)), v128.load(b + at)))
  }
}

/** r = a + b, without carries. Takes magnitudes that add up to at most 7; gives their sum. */
export function addElements(r: usize, a: usize, b: usize): void {
  if (checked) assert(magnitudeOf(a) + magnitudeOf(b) <= 7, 'add')
  for (let at: usize = 0; at < ELEMENT; at += VECTOR) v128.store(r + at, i32x4.add(v128.load(a + at), v128.load(b + at)))
}

/** r = 2a, without carries. Takes magnitude 3; gives twice that. */
export function double(r: usize, a: usize): void {
  expectMagnitude(a, 3)
  for (let at: usize = 0; at < ELEMENT; at += VECTOR) v128.store(r + at, i32x4.shl(v128.load(a + at), 1))
}

/**
 * Carries once through all limbs. Takes magnitude 7; gives 1.
 *
 * What the top limb has above 24 bits, at most 7, comes back as 7·977 in limb 0 and 7·8 in limb 1: below 2^32 with 7·2^29 there. The
 * carry into the top limb is at most 7, which the slack of magnitude 1 holds.
 */
export function normalize(a: usize): void {
  expectMagnitude(a, 7)
  const mask = v128.splat<u32>(LIMB_MASK)
  const top = v128.load(a, 8 * VECTOR)
  const above = i32x4.shr_u(top, TOP_BITS)
  v128.store(a, v128.and(top, v128.splat<u32>(TOP_MASK)), 8 * VECTOR)
  let x = i32x4.add(v128.load(a), i32x4.mul(above, v128.splat<u32>(TOP_FOLD_LOW)))
  v128.store(a, v128.and(x, mask))
  x = i32x4.add(i32x4.add(v128.load(a, VECTOR), i32x4.shl(above, TOP_FOLD_SHIFT)), i32x4.shr_u(x, LIMB_BITS))
  v128.store(a, v128.and(x, mask), VECTOR)
  for (let at = a + 2 * VECTOR; at < a + 8 * VECTOR; at += VECTOR) {
    x = i32x4.add(v128.load(at), i32x4.shr_u(x, LIMB_BITS))
    v128.store(at, v128.and(x, mask))
  }
  v128.store(a, i32x4.add(v128.load(a, 8 * VECTOR), i32x4.shr_u(x, LIMB_BITS)), 8 * VECTOR)
  expectMagnitude(a, 1)
}

/** −y where the lane of `mask` is all ones, else y: 2p − y, limb by limb. Takes magnitude 1, gives 2. */
export function negateWhere(y: usize, mask: v128): void {
  expectMagnitude(y, 1)
  for (let at: usize = 0; at < ELEMENT; at += VECTOR) {
    const limb = v128.load(y + at)
    v128.store(y + at, v128.bitselect(i32x4.sub(v128.load(MULTIPLES_OF_P + 2 * ELEMENT + at), limb), limb, mask))
  }
  expectMagnitude(y, 2)
}

/**
 * The columns of a product, modulo p, as an element of magnitude 1.
 *
 * 1. Columns 9..16 are carried into limbs h0..h8, weights 2^(261 + 29k): h0..h7 below 2^29, h8 what is left, below 2^22 as the
 *    product is below 7·2^(2·257).
 * 2. Columns 0..8 are carried with h folded in: 2^261 ≡ 2^8·2^29 + 31264, so column k gets 31264·h_k + 2^8·h_(k−1), below 2^45, and the
 *    carry of the column before, below 2^35. The eighth carry is of weight 2^256 when the top limb keeps 24 bits: c below 2^40, and
 *    2^8·h8, which belongs to column 9 = 2^261, is 2^13·h8 there: c below 2^41 in all.
 * 3. c is folded in: 2^256 ≡ 2^3·2^29 + 977. Limb 0 gets 977·c below 2^51, limb 1 gets 8·c + 2^22, limb 2 a carry below 2^16, and limb 3
 *    a carry of 0 or 1, with which it is at most 2^29.
 */
function reduceColumns(r: usize): void {
  const mask = v128.splat<u32>(LIMB_MASK)
  let low = zero(), high = zero()
  for (let at: usize = 0; at < 8 * VECTOR; at += VECTOR) {
    low = add64(low, v128.load(COLUMNS_LOW + at, 9 * VECTOR))
    high = add64(high, v128.load(COLUMNS_HIGH + at, 9 * VECTOR))
    v128.store(ABOVE + at, v128.and(pack(low, high), mask))
    low = i64x2.shr_u(low, LIMB_BITS)
    high = i64x2.shr_u(high, LIMB_BITS)
  }
  v128.store(ABOVE, pack(low, high), 8 * VECTOR)

  const fold = v128.splat<u32>(FOLD_LOW)
  low = zero()
  high = zero()
  for (let at: usize = 0; at < 8 * VECTOR; at += VECTOR) {
    const h = v128.load(ABOVE + at), before = v128.load(ABOVE_ZERO + at)
    low = add64(add64(low, v128.load(COLUMNS_LOW + at)), folded(false, h, fold, before))
    high = add64(add64(high, v128.load(COLUMNS_HIGH + at)), folded(true, h, fold, before))
    v128.store(r + at, v128.and(pack(low, high), mask))
    low = i64x2.shr_u(low, LIMB_BITS)
    high = i64x2.shr_u(high, LIMB_BITS)
  }
  const h = v128.load(ABOVE, 8 * VECTOR), before = v128.load(ABOVE, 7 * VECTOR)
  low = add64(add64(low, v128.load(COLUMNS_LOW, 8 * VECTOR)), folded(false, h, fold, before))
  high = add64(add64(high, v128.load(COLUMNS_HIGH, 8 * VECTOR)), folded(true, h, fold, before))
  v128.store(r, v128.and(pack(low, high), v128.splat<u32>(TOP_MASK)), 8 * VECTOR)

  low = add64(i64x2.shr_u(low, TOP_BITS), i64x2.shl(widen(false, h), LIMB_BITS - TOP_BITS + FOLD_SHIFT))
  high = add64(i64x2.shr_u(high, TOP_BITS), i64x2.shl(widen(true, h), LIMB_BITS - TOP_BITS + FOLD_SHIFT))
  let x0 = v128.load(r), x1 = v128.load(r, VECTOR)
  let low0 = add64(widen(false, x0), times977(low)), high0 = add64(widen(true, x0), times977(high))
  low = add64(add64(widen(false, x1), i64x2.shl(low, TOP_FOLD_SHIFT)), i64x2.shr_u(low0, LIMB_BITS))
  high = add64(add64(widen(true, x1), i64x2.shl(high, TOP_FOLD_SHIFT)), i64x2.shr_u(high0, LIMB_BITS))
  v128.store(r, v128.and(pack(low0, high0), mask))
  v128.store(r, v128.and(pack(low, high), mask), VECTOR)
  const x2 = i32x4.add(v128.load(r, 2 * VECTOR), pack(i64x2.shr_u(low, LIMB_BITS), i64x2.shr_u(high, LIMB_BITS)))
  v128.store(r, v128.and(x2, mask), 2 * VECTOR)
  v128.store(r, i32x4.add(v128.load(r, 3 * VECTOR), i32x4.shr_u(x2, LIMB_BITS)), 3 * VECTOR)
}

/** What the limbs above 2^261 add to a column. */
// @ts-ignore: decorator
@inline
function folded(high: bool, h: v128, fold: v128, before: v128): v128 {
  return add64(product(high, h, fold), i64x2.shl(widen(high, before), FOLD_SHIFT))
}

/** 977·c for c below 2^54, in shifts, as there is no fast product of 64-bit lanes: 977 = 1024 − 32 − 16 + 1. */
// @ts-ignore: decorator
@inline
function times977(c: v128): v128 {
  return i64x2.sub(add64(i64x2.shl(c, 10), c), add64(i64x2.shl(c, 5), i64x2.shl(c, 4)))
}

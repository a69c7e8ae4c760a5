/**
 * Schoolbook products of elements, as columns: column k is the sum of all a_i·b_j with i + j = k, weight 2^(29k), 64 bits a lane, not
 * carried. All products of a column must sum up to less than 2^64; the callers state why they do.
 *
 * The loops stay loops: fully unrolled, the engine's compiler spills nearly every register.
 */
import { add64, product, zero } from './lanes'
import { COLUMNS_HIGH, COLUMNS_LOW, ELEMENT, VECTOR } from './memory'

export function productColumns(a: usize, b: usize): void {
  halfProduct(false, COLUMNS_LOW, a, b)
  halfProduct(true, COLUMNS_HIGH, a, b)
}

/**
 * One half of the lanes: three limbs of a at a time, against all of b. The three lowest columns are then complete and leave; the other
 * eight wait in c1..c8.
 */
// @ts-ignore: decorator
@inline
function halfProduct(high: bool, columns: usize, a: usize, b: usize): void {
  let c1 = zero(), c2 = c1, c3 = c1, c4 = c1, c5 = c1, c6 = c1, c7 = c1, c8 = c1
  let out = columns
  for (let at = a, end = a + ELEMENT; at < end; at += 3 * VECTOR, out += 3 * VECTOR) {
    const x = v128.load(at), y = v128.load(at, 16), z = v128.load(at, 32)
    const b0 = v128.load(b), b1 = v128.load(b, 16), b2 = v128.load(b, 32), b3 = v128.load(b, 48), b4 = v128.load(b, 64)
    const b5 = v128.load(b, 80), b6 = v128.load(b, 96), b7 = v128.load(b, 112), b8 = v128.load(b, 128)
    v128.store(out, add64(c1, product(high, x, b0)))
    v128.store(out, add64(c2, add64(product(high, x, b1), product(high, y, b0))), 16)
    v128.store(out, add64(c3, three(high, x, b2, y, b1, z, b0)), 32)
    c1 = add64(c4, three(high, x, b3, y, b2, z, b1))
    c2 = add64(c5, three(high, x, b4, y, b3, z, b2))
    c3 = add64(c6, three(high, x, b5, y, b4, z, b3))
    c4 = add64(c7, three(high, x, b6, y, b5, z, b4))
    c5 = add64(c8, three(high, x, b7, y, b6, z, b5))
    c6 = three(high, x, b8, y, b7, z, b6)
    c7 = add64(product(high, y, b8), product(high, z, b7))
    c8 = product(high, z, b8)
  }
  v128.store(out, c1)
  v128.store(out, c2, 16)
  v128.store(out, c3, 32)
  v128.store(out, c4, 48)
  v128.store(out, c5, 64)
  v128.store(out, c6, 80)
  v128.store(out, c7, 96)
  v128.store(out, c8, 112)
}

// @ts-ignore: decorator
@inline
function three(high: bool, a: v128, b: v128, c: v128, d: v128, e: v128, f: v128): v128 {
  return add64(add64(product(high, a, b), product(high, c, d)), product(high, e, f))
}

/** The columns of a². Doubled limbs must fit 32 bits: limbs below 2^31. */
export function squareColumns(a: usize): void {
  halfSquare(false, COLUMNS_LOW, a)
  halfSquare(true, COLUMNS_HIGH, a)
}

/**
 * The nine limbs are three blocks X, Y, Z of three: a² = X² + 2XY + (2XZ + Y²) + 2YZ + Z², in steps of three columns. The squares of the
 * blocks write five columns each and leave one between them; the mixed products fill the gaps and add.
 */
// @ts-ignore: decorator
@inline
function halfSquare(high: bool, columns: usize, a: usize): void {
  for (let at = a, end = a + ELEMENT, out = columns; at < end; at += 3 * VECTOR, out += 6 * VECTOR) squareBlock(high, out, at)
  for (let at = a, end = a + 6 * VECTOR, out = columns + 3 * VECTOR; at < end; at += 3 * VECTOR, out += 6 * VECTOR) {
    mixBlocks(high, false, out, at, at + 3 * VECTOR)
  }
  mixBlocks(high, true, columns + 6 * VECTOR, a, a + 6 * VECTOR)
}

// @ts-ignore: decorator
@inline
function squareBlock(high: bool, out: usize, at: usize): void {
  const x = v128.load(at), y = v128.load(at, 16), z = v128.load(at, 32)
  const twiceX = i32x4.shl(x, 1), twiceY = i32x4.shl(y, 1)
  v128.store(out, product(high, x, x))
  v128.store(out, product(high, twiceX, y), 16)
  v128.store(out, add64(product(high, twiceX, z), product(high, y, y)), 32)
  v128.store(out, product(high, twiceY, z), 48)
  v128.store(out, product(high, z, z), 64)
}

/** Adds twice the product of two blocks to five columns. `full`: the middle column is there already; else this is its first term. */
// @ts-ignore: decorator
@inline
function mixBlocks(high: bool, full: bool, out: usize, a: usize, b: usize): void {
  const x = i32x4.shl(v128.load(a), 1), y = i32x4.shl(v128.load(a, 16), 1), z = i32x4.shl(v128.load(a, 32), 1)
  const d = v128.load(b), e = v128.load(b, 16), f = v128.load(b, 32)
  v128.store(out, add64(v128.load(out), product(high, x, d)))
  v128.store(out, add64(v128.load(out, 16), add64(product(high, x, e), product(high, y, d))), 16)
  const middle = three(high, x, f, y, e, z, d)
  v128.store(out, full ? add64(v128.load(out, 32), middle) : middle, 32)
  v128.store(out, add64(v128.load(out, 48), add64(product(high, y, f), product(high, z, e))), 48)
  v128.store(out, add64(v128.load(out, 64), product(high, z, f)), 64)
}

/** Arithmetic modulo n, the order of the group, in Montgomery's form with R = 2^261. */
import { checked, magnitudeOf } from './bounds'
import { productColumns } from './columns'
import { LIMB_BITS, LIMB_MASK, add64, pack, product, zero } from './lanes'
import { COLUMNS_HIGH, COLUMNS_LOW, ELEMENT, MODULUS_INVERSE, ORDER, ORDER_MODULUS, VECTOR } from './memory'

/**
 * r = a·b/R modulo n. Takes values below 2^256 + 2^253, limbs below 2^29 and a top limb below 2^25; gives the same: the result is below
 * a·b/R + n < 2^251·1.3 + n. (Magnitude 2 is what the checked build asks of both.)
 *
 * For each of the nine low columns a multiple q of n makes its lower 29 bits zero. A column sums up at most nine products of each kind,
 * 18·2^58, and a carry below 2^35.
 */
export function montgomery(r: usize, a: usize, b: usize): void {
  if (checked) assert(magnitudeOf(a) <= 2 && magnitudeOf(b) <= 2, 'montgomery')
  productColumns(a, b)
  const mask = v128.splat<u32>(LIMB_MASK)
  const inverse = v128.splat<u32>(load<u32>(ORDER_MODULUS + MODULUS_INVERSE))
  let low = zero(), high = zero()
  for (let k: usize = 0; k < ELEMENT; k += VECTOR) {
    low = add64(low, v128.load(COLUMNS_LOW + k))
    high = add64(high, v128.load(COLUMNS_HIGH + k))
    const q = v128.and(i32x4.mul(pack(low, high), inverse), mask)
    const n = v128.load(ORDER)
    low = i64x2.shr_u(add64(low, product(false, q, n)), LIMB_BITS)
    high = i64x2.shr_u(add64(high, product(true, q, n)), LIMB_BITS)
    for (let i: usize = VECTOR; i < ELEMENT; i += VECTOR) {
      const n = v128.load(ORDER + i)
      v128.store(COLUMNS_LOW + k + i, add64(v128.load(COLUMNS_LOW + k + i), product(false, q, n)))
      v128.store(COLUMNS_HIGH + k + i, add64(v128.load(COLUMNS_HIGH + k + i), product(true, q, n)))
    }
  }
  for (let k: usize = 0; k < 8 * VECTOR; k += VECTOR) {
    low = add64(low, v128.load(COLUMNS_LOW + k, ELEMENT))
    high = add64(high, v128.load(COLUMNS_HIGH + k, ELEMENT))
    v128.store(r + k, v128.and(pack(low, high), mask))
    low = i64x2.shr_u(low, LIMB_BITS)
    high = i64x2.shr_u(high, LIMB_BITS)
  }
  v128.store(r, pack(low, high), 8 * VECTOR)
  if (checked) assert(magnitudeOf(r) <= 2, 'montgomery result')
}

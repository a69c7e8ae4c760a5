/**
 * Vectors by their use here. Products of 32-bit lanes have 64 bits, so a product of vectors is two vectors: its *low* half, of lanes 0
 * and 1, and its *high* half, of lanes 2 and 3.
 */
import { ELEMENT, VECTOR } from './memory'

/** Bits of a limb, and of the highest one. 8·29 + 24 = 256. */
export const LIMB_BITS: i32 = 29
export const TOP_BITS: i32 = 24
export const LIMB_MASK: u32 = (1 << LIMB_BITS) - 1
export const TOP_MASK: u32 = (1 << TOP_BITS) - 1

// @ts-ignore: decorator
@inline
export function zero(): v128 { return v128.splat<u64>(0) }

// @ts-ignore: decorator
@inline
export function add64(a: v128, b: v128): v128 { return i64x2.add(a, b) }

/** The half of the products that `HIGH` says. */
// @ts-ignore: decorator
@inline
export function product(high: bool, a: v128, b: v128): v128 {
  return high ? i64x2.extmul_high_i32x4_u(a, b) : i64x2.extmul_low_i32x4_u(a, b)
}

/** The half of the lanes that `HIGH` says, widened to 64 bits. */
// @ts-ignore: decorator
@inline
export function widen(high: bool, a: v128): v128 {
  return high ? i64x2.extend_high_i32x4_u(a) : i64x2.extend_low_i32x4_u(a)
}

/** Both halves back in one vector: the lower 32 bits of each lane. */
// @ts-ignore: decorator
@inline
export function pack(low: v128, high: v128): v128 { return i32x4.shuffle(low, high, 0, 2, 4, 6) }

// @ts-ignore: decorator
@inline
export function copyElement(to: usize, from: usize): void { memory.copy(to, from, ELEMENT) }

/** Lane l of the result is lane (l + by) mod 4; `by` is 1 or 2. */
export function rotateLanes(to: usize, from: usize, by: i32): void {
  for (let at: usize = 0; at < ELEMENT; at += VECTOR) {
    const x = v128.load(from + at)
    v128.store(to + at, by == 1 ? i32x4.shuffle(x, x, 1, 2, 3, 0) : i32x4.shuffle(x, x, 2, 3, 0, 1))
  }
}

/** The value of one lane in all four. */
export function spreadLane(to: usize, from: usize, lane: usize): void {
  for (let at: usize = 0; at < ELEMENT; at += VECTOR) v128.store(to + at, v128.splat<u32>(load<u32>(from + at + 4 * lane)))
}

/** Copies one lane of an element to a lane of another. */
export function copyLane(to: usize, toLane: usize, from: usize, fromLane: usize): void {
  for (let at: usize = 0; at < ELEMENT; at += VECTOR) store<u32>(to + at + 4 * toLane, load<u32>(from + at + 4 * fromLane))
}

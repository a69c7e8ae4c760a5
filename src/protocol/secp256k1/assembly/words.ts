/** Numbers below 2^256 as four 64-bit words in memory, the lowest first. */
import { LIMB_BITS, LIMB_MASK, TOP_MASK } from './lanes'
import { LIMBS, VECTOR } from './memory'

// @ts-ignore: decorator
@inline
export function setWords(to: usize, w3: u64, w2: u64, w1: u64, w0: u64): void {
  store<u64>(to, w0)
  store<u64>(to, w1, 8)
  store<u64>(to, w2, 16)
  store<u64>(to, w3, 24)
}

/** From 32 bytes, big-endian. */
export function readBigEndian(to: usize, from: usize): void {
  setWords(to, bswap<u64>(load<u64>(from)), bswap<u64>(load<u64>(from, 8)), bswap<u64>(load<u64>(from, 16)), bswap<u64>(load<u64>(from, 24)))
}

export function isZero(a: usize): bool {
  return (load<u64>(a) | load<u64>(a, 8) | load<u64>(a, 16) | load<u64>(a, 24)) == 0
}

export function isOne(a: usize): bool {
  return load<u64>(a) == 1 && (load<u64>(a, 8) | load<u64>(a, 16) | load<u64>(a, 24)) == 0
}

export function equal(a: usize, b: usize): bool {
  return load<u64>(a) == load<u64>(b) && load<u64>(a, 8) == load<u64>(b, 8)
    && load<u64>(a, 16) == load<u64>(b, 16) && load<u64>(a, 24) == load<u64>(b, 24)
}

export function isBelow(a: usize, b: usize): bool {
  for (let at: isize = 24; at >= 0; at -= 8) {
    const x = load<u64>(a + at), y = load<u64>(b + at)
    if (x != y) return x < y
  }
  return false
}

/** a + b modulo 2^256; the carry. `to` may be a or b. */
export function add(to: usize, a: usize, b: usize): u64 {
  let carry: u64 = 0
  for (let at: usize = 0; at < 32; at += 8) {
    const x = load<u64>(a + at)
    const sum = x + load<u64>(b + at)
    const whole = sum + carry
    carry = u64(sum < x) | u64(whole < sum)
    store<u64>(to + at, whole)
  }
  return carry
}

/** a − b modulo 2^256; the borrow. `to` may be a or b. */
export function subtract(to: usize, a: usize, b: usize): u64 {
  let borrow: u64 = 0
  for (let at: usize = 0; at < 32; at += 8) {
    const x = load<u64>(a + at), y = load<u64>(b + at)
    const difference = x - y
    store<u64>(to + at, difference - borrow)
    borrow = u64(x < y) | u64(difference < borrow)
  }
  return borrow
}

/** 2a modulo m, for a below m. */
export function twice(to: usize, a: usize, m: usize): void {
  const carry = add(to, a, a)
  if (carry != 0 || !isBelow(to, m)) subtract(to, to, m)
}

/** Limb i of the number: 29 bits, or 24 for i = 8. Reads up to five bytes beyond it, which do not count. */
// @ts-ignore: decorator
@inline
export function limb(a: usize, i: i32): u32 {
  const bit = LIMB_BITS * i
  return (load<u64>(a + (bit >> 3)) >> (bit & 7)) as u32 & (i == 8 ? TOP_MASK : LIMB_MASK)
}

/** Writes the number's limbs into one lane of an element. */
export function toLane(element: usize, lane: usize, a: usize): void {
  let at = element + 4 * lane
  for (let i = 0; i < LIMBS; i++, at += VECTOR) store<u32>(at, limb(a, i))
}

/**
 * The number in one lane of an element, whatever its magnitude, reduced to 0..m−1. `m` is above 2^255, so that few subtractions do.
 */
export function fromLane(to: usize, element: usize, lane: usize, m: usize): void {
  const at = element + 4 * lane
  let carry: u64 = load<u32>(at)
  const l0 = carry & LIMB_MASK
  carry = (carry >> LIMB_BITS) + load<u32>(at, 1 * VECTOR)
  const l1 = carry & LIMB_MASK
  carry = (carry >> LIMB_BITS) + load<u32>(at, 2 * VECTOR)
  const l2 = carry & LIMB_MASK
  carry = (carry >> LIMB_BITS) + load<u32>(at, 3 * VECTOR)
  const l3 = carry & LIMB_MASK
  carry = (carry >> LIMB_BITS) + load<u32>(at, 4 * VECTOR)
  const l4 = carry & LIMB_MASK
  carry = (carry >> LIMB_BITS) + load<u32>(at, 5 * VECTOR)
  const l5 = carry & LIMB_MASK
  carry = (carry >> LIMB_BITS) + load<u32>(at, 6 * VECTOR)
  const l6 = carry & LIMB_MASK
  carry = (carry >> LIMB_BITS) + load<u32>(at, 7 * VECTOR)
  const l7 = carry & LIMB_MASK
  carry = (carry >> LIMB_BITS) + load<u32>(at, 8 * VECTOR)
  const l8 = carry & TOP_MASK
  // Limb i begins at bit 29·i: word 1 at 6 bits into limb 2, word 2 at 12 into limb 4, word 3 at 18 into limb 6.
  setWords(to, l6 >> 18 | l7 << 11 | l8 << 40, l4 >> 12 | l5 << 17 | l6 << 46, l2 >> 6 | l3 << 23 | l4 << 52, l0 | l1 << 29 | l2 << 58)
  let above = carry >> 24
  while (above != 0 || !isBelow(to, m)) above -= subtract(to, to, m)
}

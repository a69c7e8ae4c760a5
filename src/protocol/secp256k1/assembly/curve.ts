/** secp256k1 (SEC 2), and everything that follows from its parameters. */
import { LIMB_BITS, LIMB_MASK } from './lanes'
import {
  ELEMENT, HALF_R_SQUARED, LIMBS, MODULUS_INVERSE, MULTIPLES_OF_P, OFFSET_G, OFFSET_KEY, ORDER, ORDER_MODULUS, PRIME_MINUS_ORDER,
  PRIME_MODULUS, ROUND_CONSTANTS, VECTOR, W0, W1, WORDS,
} from './memory'
import { add, limb, setWords, subtract, toLane, twice } from './words'

/** p = 2^256 − 2^32 − 977. */
const PRIME_977: u32 = 977
/** 2^261 = 2^5·2^256 ≡ 2^5·(2^32 + 977) = 2^8·2^29 + 31264 modulo p: what a carry out of the ninth limb is worth in limbs 1 and 0. */
export const FOLD_LOW: u32 = PRIME_977 << 5
export const FOLD_SHIFT: i32 = 32 + 5 - LIMB_BITS
/** 2^256 ≡ 2^3·2^29 + 977 modulo p: the same for a carry out of 256 bits. */
export const TOP_FOLD_LOW: u32 = PRIME_977
export const TOP_FOLD_SHIFT: i32 = 32 - LIMB_BITS

/** The generator's coordinates. */
export function setGenerator(x: usize, y: usize): void {
  setWords(x, 0x79be667ef9dcbbac, 0x55a06295ce870b07, 0x029bfcdb2dce28d9, 0x59f2815b16f81798)
  setWords(y, 0x483ada7726a3c465, 0x5da4fbfc0e1108a8, 0xfd17b448a6855419, 0x9c47d08ffb10d4b8)
}

/** How many windows of so many bits hold a scalar. */
export function windowsOf(bits: i32): i32 { return (255 + bits) / bits }

/** Writes the constants of the memory map, for tables whose windows have so many bits. */
export function writeConstants(bitsG: i32, bitsKey: i32): void {
  // p: 0 − (2^32 + 977), modulo 2^256.
  setWords(W0, 0, 0, 0, 0)
  setWords(W1, 0, 0, 0, (1 << 32) + (PRIME_977 as u64))
  subtract(PRIME_MODULUS, W0, W1)
  setWords(ORDER_MODULUS, 0xffffffffffffffff, 0xfffffffffffffffe, 0xbaaedce6af48a03b, 0xbfd25e8cd0364141)
  subtract(PRIME_MINUS_ORDER, PRIME_MODULUS, ORDER_MODULUS)
  store<u64>(PRIME_MODULUS + MODULUS_INVERSE, minusInverse(limb(PRIME_MODULUS, 0)))
  store<u64>(ORDER_MODULUS + MODULUS_INVERSE, minusInverse(limb(ORDER_MODULUS, 0)))
  for (let i = 0; i < LIMBS; i++) {
    for (let k: u32 = 0; k < 5; k++) v128.store(MULTIPLES_OF_P + k * ELEMENT + i * VECTOR, v128.splat<u32>(k * limb(PRIME_MODULUS, i)))
    v128.store(ORDER + i * VECTOR, v128.splat<u32>(limb(ORDER_MODULUS, i)))
  }
  // R²/2 = 2^(2·261 − 1)
  powerOfTwo(W0, 2 * 9 * LIMB_BITS - 1)
  inAllLanes(HALF_R_SQUARED, W0)
  windowOffset(OFFSET_G, bitsG)
  windowOffset(OFFSET_KEY, bitsKey)
  writeRoundConstants()
}

/** −1/m modulo 2^29 for an odd m, by Newton's iteration: each step doubles the bits that are right (3 at first). */
function minusInverse(m: u32): u64 {
  let x = m
  for (let step = 0; step < 4; step++) x *= 2 - m * x
  return (0 - x) & LIMB_MASK
}

/** 2^k modulo n. */
function powerOfTwo(to: usize, k: i32): void {
  setWords(to, 0, 0, 0, 1)
  for (; k > 0; k--) twice(to, to, ORDER_MODULUS)
}

/** (2^(w·d) − 1)/2 = 2^(w·d − 1) − 1/2 modulo n, for d windows of w bits; 1/2 = (n + 1)/2 = (n − 1)/2 + 1. */
function windowOffset(to: usize, bits: i32): void {
  powerOfTwo(W0, bits * windowsOf(bits) - 1)
  for (let at: usize = 0; at < WORDS; at += 8) {
    const next: u64 = at == 24 ? 0 : load<u64>(ORDER_MODULUS + at, 8)
    store<u64>(W1 + at, load<u64>(ORDER_MODULUS + at) >> 1 | next << 63)
  }
  // W0 − (n − 1)/2 − 1, brought back above zero where it fell below.
  let borrow = subtract(W0, W0, W1)
  setWords(W1, 0, 0, 0, 1)
  borrow |= subtract(W0, W0, W1)
  if (borrow != 0) add(W0, W0, ORDER_MODULUS)
  inAllLanes(to, W0)
}

function inAllLanes(to: usize, words: usize): void {
  for (let lane: usize = 0; lane < 4; lane++) toLane(to, lane, words)
}

/** FIPS 202, algorithm 5: bit 2^j − 1 of round constant i is the output of the register at time j + 7i. */
function writeRoundConstants(): void {
  let register: u32 = 1
  for (let round: usize = 0; round < 24; round++) {
    let word: u64 = 0
    for (let j: u64 = 0; j < 7; j++) {
      if (register & 1) word |= (1 as u64) << (((1 as u64) << j) - 1)
      register = register & 0x80 ? register << 1 ^ 0x171 : register << 1
    }
    store<u64>(ROUND_CONSTANTS + 8 * round, word)
  }
}

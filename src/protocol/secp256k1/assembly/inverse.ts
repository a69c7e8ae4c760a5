/**
 * Modular inverses. One number by division steps (Bernstein and Yang, "Fast constant-time gcd computation and modular inversion", 2019;
 * here in variable time, as nothing is secret); four lanes by one of those, by Montgomery's trick; any number of elements by one of
 * those. Every inverse is multiplied back before it is used: one that is wrong is never taken for right.
 */
import { checked, expectMagnitude } from './bounds'
import { multiply, normalize } from './field'
import { LIMB_BITS, LIMB_MASK, copyElement, rotateLanes, spreadLane } from './lanes'
import {
  DIVSTEPS, ELEMENT, HALF_R_SQUARED, INVERSE, LANE_A, LANE_B, LANE_C, LIMBS, MODULUS_INVERSE, ORDER_MODULUS, PAIR, PAIRS, PRIME_MODULUS,
  PRODUCT, W0,
} from './memory'
import { montgomery } from './scalar'
import { fromLane, isOne, isZero, limb, toLane, twice } from './words'

/** f, g, d, e as nine signed limbs of 29 bits each, the last one unbounded. */
const F: usize = DIVSTEPS
const G: usize = F + 80
const D: usize = G + 80
const E: usize = D + 80
const LIMB64: usize = 8
const LAST: usize = 8 * LIMB64

/** Division steps a round. */
const STEPS: i32 = LIMB_BITS
/** (49·256 + 57)/17 = 741 steps always do for 256 bits (theorem 11.2 there); 26 rounds are 754. */
const MOST_ROUNDS: i32 = 26

/**
 * Writes 1/a modulo m into one lane of an element, as a value of magnitude below 32 to be reduced by `fromLane`; a is words, neither
 * zero nor above m. False where there is none.
 *
 * d·a ≡ f and e·a ≡ g modulo m hold throughout, from f = m, g = a, d = 0, e = 1 to g = 0, f = ±1. A round takes 29 steps on the lowest
 * 29 bits alone, collects them in a matrix (|u| + |v| and |q| + |s| at most 2^29), and applies it to all limbs, divided by 2^29.
 * What d and e lack to be divisible is a multiple of m between −2^28 and 2^28, so that each round lets them grow by at most m/2: after
 * 26 rounds they are within 14·m.
 */
export function invertOne(to: usize, lane: usize, a: usize, m: usize): bool {
  for (let i = 0; i < LIMBS; i++) {
    const at = LIMB64 * i
    store<i64>(F + at, limb(m, i))
    store<i64>(G + at, limb(a, i))
    store<i64>(D + at, 0)
    store<i64>(E + at, i == 0 ? 1 : 0)
  }
  const minusInverse = load<i64>(m + MODULUS_INVERSE)
  let delta: i32 = 1
  for (let round = 0; round < MOST_ROUNDS; round++) {
    let f = load<i64>(F), g = load<i64>(G)
    let u: i64 = 1, v: i64 = 0, q: i64 = 0, s: i64 = 1
    for (let left: i64 = STEPS; ;) {
      // All steps at once in which g is even: they halve it.
      const even = ctz<i64>(g | (1 as i64) << left)
      g >>= even
      u <<= even
      v <<= even
      delta += even as i32
      left -= even
      if (left == 0) break
      if (delta > 0) {
        delta = -delta
        let t = f
        f = g
        g = -t
        t = u
        u = q
        q = -t
        t = v
        v = s
        s = -t
      }
      g += f
      q += u
      s += v
    }
    const more = applyToFG(u, v, q, s)
    applyToDE(u, v, q, s, m, minusInverse)
    if (!more) return finish(to, lane, m)
  }
  return false
}

/** (f, g) ← (u·f + v·g, q·f + s·g) / 2^29, which divides exactly. False once g is zero. */
function applyToFG(u: i64, v: i64, q: i64, s: i64): bool {
  let f: i64 = 0, g: i64 = 0, any: i64 = 0
  for (let at: usize = 0; at <= LAST; at += LIMB64) {
    const x = load<i64>(F + at), y = load<i64>(G + at)
    f += u * x + v * y
    g += q * x + s * y
    if (at > 0) {
      store<i64>(F + at - LIMB64, f & LIMB_MASK)
      store<i64>(G + at - LIMB64, g & LIMB_MASK)
      any |= g & LIMB_MASK
    } else if (checked) {
      assert((f & LIMB_MASK) == 0 && (g & LIMB_MASK) == 0, 'division steps')
    }
    f >>= LIMB_BITS
    g >>= LIMB_BITS
  }
  store<i64>(F + LAST, f)
  store<i64>(G + LAST, g)
  return (any | g) != 0
}

/** The same for (d, e), each with the multiple of m that makes it divisible. */
function applyToDE(u: i64, v: i64, q: i64, s: i64, m: usize, minusInverse: i64): void {
  let d = u * load<i64>(D) + v * load<i64>(E), e = q * load<i64>(D) + s * load<i64>(E)
  const md = centred(d * minusInverse), me = centred(e * minusInverse)
  d = 0
  e = 0
  for (let i = 0; i < LIMBS; i++) {
    const at = LIMB64 * i, x = load<i64>(D + at), y = load<i64>(E + at), z: i64 = limb(m, i)
    d += u * x + v * y + md * z
    e += q * x + s * y + me * z
    if (i > 0) {
      store<i64>(D + at - LIMB64, d & LIMB_MASK)
      store<i64>(E + at - LIMB64, e & LIMB_MASK)
    }
    d >>= LIMB_BITS
    e >>= LIMB_BITS
  }
  store<i64>(D + LAST, d)
  store<i64>(E + LAST, e)
}

/** The number that x is modulo 2^29, between −2^28 and 2^28. */
// @ts-ignore: decorator
@inline
function centred(x: i64): i64 { return (x << (64 - LIMB_BITS)) >> (64 - LIMB_BITS) }

/** ±d, by the sign of f, and 16·m to be above zero: within 2·m and 30·m, so that the top limb keeps to 29 bits. */
function finish(to: usize, lane: usize, m: usize): bool {
  const sign: i64 = load<i64>(F + LAST) < 0 ? -1 : 1
  let carry: i64 = 0
  let out = to + 4 * lane
  for (let i = 0; i < LIMBS; i++, out += 16) {
    carry += sign * load<i64>(D + LIMB64 * i) + 16 * (limb(m, i) as i64)
    if (i == 8) { store<u32>(out, carry as u32); break }
    store<u32>(out, (carry & LIMB_MASK) as u32)
    carry >>= LIMB_BITS
  }
  return carry > 0 && carry <= (LIMB_MASK as i64)
}

/**
 * r = 1/a modulo p, lane by lane; false where a lane is zero. Takes magnitude 1, gives 1.
 *
 * 1. Each lane's product of the other three, and the product of all four, by two rotations.
 * 2. One inverse of the product of all.
 * 3. Multiplied back: inverse · product = 1.
 */
export function invertField(r: usize, a: usize): bool {
  expectMagnitude(a, 1)
  rotateLanes(LANE_A, a, 1)
  multiply(LANE_B, a, LANE_A)
  rotateLanes(LANE_C, LANE_B, 2)
  multiply(LANE_B, LANE_A, LANE_C)
  multiply(LANE_A, a, LANE_B)
  fromLane(W0, LANE_A, 0, PRIME_MODULUS)
  if (isZero(W0) || !invertOne(LANE_C, 0, W0, PRIME_MODULUS)) return false
  fromLane(W0, LANE_C, 0, PRIME_MODULUS)
  toLane(LANE_C, 0, W0)
  spreadLane(LANE_C, LANE_C, 0)
  multiply(r, LANE_C, LANE_B)
  multiply(LANE_A, LANE_A, LANE_C)
  fromLane(W0, LANE_A, 0, PRIME_MODULUS)
  return isOne(W0)
}

/**
 * r = 1/a modulo n, lane by lane, all as plain numbers; false where a lane is zero. Takes and gives what `montgomery` does.
 *
 * The same steps; the powers of R cancel: a product of three is (x·y·z)/R², of four (w·x·y·z)/R³, and R³/(w·x·y·z) · (x·y·z)/R² / R = 1/w.
 * Multiplied back: inverse · product = 1/R, so that R²/2 times it is 1/2.
 */
export function invertScalars(r: usize, a: usize): bool {
  rotateLanes(LANE_A, a, 1)
  montgomery(LANE_B, a, LANE_A)
  rotateLanes(LANE_C, LANE_B, 2)
  montgomery(LANE_B, LANE_A, LANE_C)
  montgomery(LANE_A, a, LANE_B)
  fromLane(W0, LANE_A, 0, ORDER_MODULUS)
  if (isZero(W0) || !invertOne(LANE_C, 0, W0, ORDER_MODULUS)) return false
  fromLane(W0, LANE_C, 0, ORDER_MODULUS)
  toLane(LANE_C, 0, W0)
  spreadLane(LANE_C, LANE_C, 0)
  montgomery(r, LANE_C, LANE_B)
  montgomery(LANE_A, LANE_A, LANE_C)
  montgomery(LANE_A, LANE_A, HALF_R_SQUARED)
  fromLane(W0, LANE_A, 0, ORDER_MODULUS)
  twice(W0, W0, ORDER_MODULUS)
  return isOne(W0)
}

// ---- shared inversion: `count` elements at PAIRS, one a pair

/**
 * Prepares the inverses of the first elements of all pairs: 3 products each, and one inversion for all. False where one of them is zero
 * in some lane. Takes magnitudes up to 7. Then `nextInverse` gives them from the last to the first.
 */
export function shareInversion(count: i32): bool {
  copyElement(PRODUCT, PAIRS)
  normalize(PRODUCT)
  for (let i = 1, at = PAIRS + PAIR; i < count; i++, at += PAIR) {
    copyElement(at + ELEMENT, PRODUCT)
    multiply(PRODUCT, PRODUCT, at)
  }
  return invertField(INVERSE, PRODUCT)
}

/** r = 1/(element i), for i = count − 1 down to 0, each once. Gives magnitude 1. */
// @ts-ignore: decorator
@inline
export function nextInverse(r: usize, i: i32): void {
  const at = PAIRS + PAIR * i
  if (i == 0) { copyElement(r, INVERSE); return }
  multiply(r, INVERSE, at + ELEMENT)
  multiply(INVERSE, INVERSE, at)
}

/**
 * Tables. For windows of w bits, row j holds the odd multiples (2i + 1)·2^(w·j)·P, i = 0 .. 2^(w−1) − 1, as affine coordinates, 64 bytes
 * each. With them any scalar's multiple of P is a sum of one entry a row, negated or not (`recode.ts`).
 */
import { windowsOf } from './curve'
import { addElements, double, multiply, normalize, square, subtract } from './field'
import { nextInverse, shareInversion } from './inverse'
import { copyElement, copyLane, spreadLane } from './lanes'
import {
  ELEMENT, ENTRY, JACOBIAN, PAIR, PAIRS, POINT, POINTS, POWERS, PRIME_MODULUS, STEP, T0, T1, T2, T3, T4, T5, W0, W1,
} from './memory'
import { addPoints } from './points'
import { equal, fromLane, isBelow, setWords, toLane } from './words'

/** Bytes of a table. */
export function tableSize(bits: i32): usize { return windowsOf(bits) as usize * rowSize(bits) }

// @ts-ignore: decorator
@inline
export function rowSize(bits: i32): usize { return ENTRY << (bits - 1) }

/**
 * Writes the table of a point. False where the point, 64 bytes as words at `x` and `y`, is not on the curve.
 *
 * 1. P, 2P, 4P, …, 2^(w·d − 1)·P in Jacobian coordinates, then affine by one shared inversion.
 * 2. Rows, four at a time, one a lane: from the first c odd multiples come the next c by adding 2c·2^(w·j)·P.
 *
 * No step meets an exceptional case. P has the odd prime order n, so no double is at infinity, and the points added in step 2 are
 * ±(2i + 1) and 2^(k+1) times the same point: neither the sum nor the difference, odd numbers below 2^(w+1), is a multiple of n.
 */
export function writeTable(to: usize, x: usize, y: usize, bits: i32): bool {
  if (!isOnCurve(x, y)) return false
  const rows = windowsOf(bits), powers = bits * rows
  writePowers(x, y, powers)
  if (!toAffine(powers)) return false
  for (let row = 0; row < rows; row += 4) if (!writeRows(to, row, min(rows - row, 4), bits)) return false
  return true
}

/** Whether x and y are below p, and y² = x³ + 7. */
function isOnCurve(x: usize, y: usize): bool {
  if (!isBelow(x, PRIME_MODULUS) || !isBelow(y, PRIME_MODULUS)) return false
  intoAllLanes(T0, x)
  square(T1, T0)
  multiply(T1, T1, T0)
  setWords(W0, 0, 0, 0, 7)
  intoAllLanes(T0, W0)
  addElements(T1, T1, T0)
  intoAllLanes(T0, y)
  square(T2, T0)
  fromLane(W0, T1, 0, PRIME_MODULUS)
  fromLane(W1, T2, 0, PRIME_MODULUS)
  return equal(W0, W1)
}

function intoAllLanes(to: usize, words: usize): void {
  toLane(to, 0, words)
  spreadLane(to, to, 0)
}

/** Power i lies in lane i mod 4 of the (i / 4)-th Jacobian point: x, y, z, elements of magnitude 1. */
function writePowers(x: usize, y: usize, count: i32): void {
  const current = POINTS, currentX = current, currentY = current + ELEMENT, currentZ = current + 2 * ELEMENT
  intoAllLanes(currentX, x)
  intoAllLanes(currentY, y)
  setWords(W0, 0, 0, 0, 1)
  intoAllLanes(currentZ, W0)
  // Lanes of the last point that no power fills hold the last one.
  for (let i = 0; i < (count + 3 & ~3); i++) {
    const to = POWERS + JACOBIAN * (i >> 2)
    for (let at: usize = 0; at < JACOBIAN; at += ELEMENT) copyLane(to + at, i & 3, current + at, 0)
    if (i + 1 < count) doublePoint(currentX, currentY, currentZ)
  }
}

/**
 * (x, y, z) ← 2·(x, y, z) in Jacobian coordinates on y² = x³ + 7. Takes and gives magnitude 1.
 *
 *     m = 3x², s = 4xy², x' = m² − 2s, y' = m·(s − x') − 8y⁴, z' = 2yz
 */
function doublePoint(x: usize, y: usize, z: usize): void {
  const m = T0, s = T1, ySquared = T2
  square(m, x)
  double(T3, m)
  addElements(m, m, T3)
  normalizeInto(m, m)
  square(ySquared, y)
  multiply(s, x, ySquared)
  double(s, s)
  double(s, s)
  normalizeInto(s, s)
  multiply(T3, y, z)
  double(T3, T3)
  normalizeInto(z, T3)
  square(T3, m)
  double(T4, s)
  subtract(T3, T3, T4, 2)
  normalizeInto(x, T3)
  subtract(T3, s, x, 1)
  multiply(T4, m, T3)
  square(T5, ySquared)
  double(T5, T5)
  double(T5, T5)
  normalizeInto(T5, T5)
  double(T5, T5)
  subtract(T4, T4, T5, 2)
  normalizeInto(y, T4)
}

function normalizeInto(to: usize, a: usize): void {
  if (to != a) copyElement(to, a)
  normalize(to)
}

/** Makes x and y of all powers affine: x/z², y/z³. */
function toAffine(count: i32): bool {
  const points = (count + 3) >> 2
  for (let i = 0; i < points; i++) copyElement(PAIRS + PAIR * i, POWERS + JACOBIAN * i + 2 * ELEMENT)
  if (!shareInversion(points)) return false
  for (let i = points - 1; i >= 0; i--) {
    const x = POWERS + JACOBIAN * i, y = x + ELEMENT
    nextInverse(T0, i)
    square(T1, T0)
    multiply(x, x, T1)
    multiply(T1, T1, T0)
    multiply(y, y, T1)
  }
  return true
}

/** Rows `row` .. `row + count − 1`, one a lane. */
function writeRows(to: usize, row: i32, count: i32, bits: i32): bool {
  loadPowers(POINTS, row, count, 0, bits)
  for (let k = 0; k < bits - 1; k++) {
    const known = 1 << k
    loadPowers(STEP, row, count, k + 1, bits)
    for (let i = 0; i < known; i++) subtract(PAIRS + PAIR * i, STEP, POINTS + POINT * i, 1)
    if (!shareInversion(known)) return false
    for (let i = known - 1; i >= 0; i--) {
      nextInverse(T4, i)
      addPoints(POINTS + POINT * (i + known), POINTS + POINT * i, STEP, T4)
    }
  }
  for (let lane = 0; lane < count; lane++) {
    let entry = to + rowSize(bits) * (row + lane)
    for (let i = 0; i < 1 << (bits - 1); i++, entry += ENTRY) {
      fromLane(entry, POINTS + POINT * i, lane, PRIME_MODULUS)
      fromLane(entry + 32, POINTS + POINT * i + ELEMENT, lane, PRIME_MODULUS)
    }
  }
  return true
}

/** 2^k times the first entry of each row; a lane without a row repeats the last one. */
function loadPowers(to: usize, row: i32, count: i32, k: i32, bits: i32): void {
  for (let lane = 0; lane < 4; lane++) {
    const power = bits * (row + min(lane, count - 1)) + k
    const from = POWERS + JACOBIAN * (power >> 2)
    copyLane(to, lane, from, power & 3)
    copyLane(to + ELEMENT, lane, from + ELEMENT, power & 3)
  }
}

/**
 * R = (m/s)·G + (r/s)·Q of every signature: one table entry a window, added up pairwise, level by level, all signatures together. A
 * level needs one inversion for all its sums.
 */
import { subtract } from './field'
import { nextInverse, shareInversion } from './inverse'
import {
  PAIR, PAIRS, POINT, POINTS, PRIME_MODULUS, RECORD, RECORDS, RECORD_TABLE, SCALAR, SCALARS, STATUSES, T4, W0,
} from './memory'
import { addPoints, loadEntries } from './points'
import { digit, indexOf, signOf } from './recode'
import { UNDECIDED } from './status'
import { rowSize } from './table'
import { fromLane, isZero, setWords, toLane } from './words'

/**
 * Step 3: the entries of one group of four signatures: first the windows of G, then those of each signature's key.
 * `tables` is the first signer's table; the others follow, `tableBytes` each.
 */
export function gather(
  group: i32, tableG: usize, bitsG: i32, windowsG: i32, tables: usize, tableBytes: usize, bitsKey: i32, windowsKey: i32,
): void {
  const scalars = SCALARS + 4 * 2 * SCALAR * group
  let to = POINTS + POINT * (windowsG + windowsKey) * group
  to = gatherRows(to, scalars, bitsG, windowsG, tableG, tableG, tableG, tableG)
  const records = RECORDS + 4 * RECORD * group
  gatherRows(
    to, scalars + SCALAR, bitsKey, windowsKey,
    tableOf(records, tables, tableBytes), tableOf(records + RECORD, tables, tableBytes),
    tableOf(records + 2 * RECORD, tables, tableBytes), tableOf(records + 3 * RECORD, tables, tableBytes),
  )
}

// @ts-ignore: decorator
@inline
function tableOf(record: usize, tables: usize, bytes: usize): usize { return tables + bytes * load<u8>(record, RECORD_TABLE) }

// @ts-ignore: decorator
@inline
function gatherRows(to: usize, scalars: usize, bits: i32, windows: i32, a: usize, b: usize, c: usize, d: usize): usize {
  const row = rowSize(bits)
  let at: usize = 0
  for (let j = 0, bit = 0; j < windows; j++, bit += bits, at += row, to += POINT) {
    const da = digit(scalars, bit, bits), db = digit(scalars + 2 * SCALAR, bit, bits)
    const dc = digit(scalars + 4 * SCALAR, bit, bits), dd = digit(scalars + 6 * SCALAR, bit, bits)
    const sa = signOf(da, bits), sb = signOf(db, bits), sc = signOf(dc, bits), sd = signOf(dd, bits)
    const signs = i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(sa), 1, sb), 2, sc), 3, sd)
    loadEntries(
      to, a + at + (indexOf(da, sa, bits) << 6), b + at + (indexOf(db, sb, bits) << 6),
      c + at + (indexOf(dc, sc, bits) << 6), d + at + (indexOf(dd, sd, bits) << 6), signs,
    )
  }
  return to
}

/**
 * Step 4: adds up the points of each group; the sum is left in the first. At a level of step `step`, point j takes in point j + step,
 * for j = 0, 2·step, 4·step, …
 *
 * Two points with the same x (equal or opposite) have no slope: their difference is zero, and so is the product of all. Then those
 * are looked for, their signatures are `UNDECIDED`, and the level goes on without them. False where an inversion failed otherwise.
 */
export function sumPoints(groups: i32, points: i32): bool {
  for (let step = 1; step < points; step <<= 1) {
    const sums = (points - step + 2 * step - 1) / (2 * step)
    const count = groups * sums
    writeDifferences(groups, points, step)
    if (!shareInversion(count)) {
      markEqual(groups, sums)
      if (!shareInversion(count)) return false
    }
    for (let group = groups - 1, i = count - 1; group >= 0; group--) {
      const first = POINTS + POINT * points * group
      for (let sum = sums - 1; sum >= 0; sum--, i--) {
        const a = first + POINT * 2 * step * sum
        nextInverse(T4, i)
        addPoints(a, a, a + POINT * step, T4)
      }
    }
  }
  return true
}

/** b.x − a.x of all sums of a level: magnitude 1 + 2 = 3. */
function writeDifferences(groups: i32, points: i32, step: i32): void {
  let pair = PAIRS
  for (let group = 0; group < groups; group++) {
    const first = POINTS + POINT * points * group
    for (let j = 0; j + step < points; j += 2 * step, pair += PAIR) {
      const a = first + POINT * j
      subtract(pair, a + POINT * step, a, 1)
    }
  }
}

function markEqual(groups: i32, sums: i32): void {
  let pair = PAIRS
  for (let group = 0; group < groups; group++) {
    for (let sum = 0; sum < sums; sum++, pair += PAIR) {
      for (let lane = 0; lane < 4; lane++) {
        fromLane(W0, pair, lane, PRIME_MODULUS)
        if (!isZero(W0)) continue
        setWords(W0, 0, 0, 0, 1)
        toLane(pair, lane, W0)
        store<u8>(STATUSES + 4 * group + lane, UNDECIDED)
      }
    }
  }
}

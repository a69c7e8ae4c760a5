/** What the checked build shows to tests: the module, and its operations one by one. */
import { negateWhere } from './field'

export * from './module'
export * from './memory'

export { magnitudeOf } from './bounds'
export { windowsOf } from './curve'
export { addElements, double, multiply, normalize, square, subtract } from './field'
export { invertField, invertOne, invertScalars, nextInverse, shareInversion } from './inverse'
export { addPoints, loadBigEndian } from './points'
export { digit, indexOf, signOf } from './recode'
export { montgomery } from './scalar'
export { tableSize, writeTable } from './table'
export { add as addWords, fromLane, isBelow, isZero, subtract as subtractWords, toLane, twice } from './words'

/** `negateWhere`, with lanes 0 to 3 by the bits of `lanes`: vectors do not cross to the host. */
export function negateLanes(y: usize, lanes: i32): void {
  const bits = v128.and(v128.splat<i32>(lanes), i32x4(1, 2, 4, 8))
  negateWhere(y, i32x4.ne(bits, v128.splat<i32>(0)))
}

/**
 * The bounds of the field's elements. An element has *magnitude* m where, in every lane, limbs 0..7 are at most m·2^29 and limb 8 is at
 * most m·(2^24 + 16). Each operation states which magnitudes it takes and which it gives; the checked build (`CHECKED`, for tests
 * only) looks at every element that goes in or out, and traps.
 */
import { TOP_BITS, LIMB_BITS } from './lanes'
import { ELEMENT, VECTOR } from './memory'

/** 1 in the checked build, else 0; given to the compiler. */
// @ts-ignore: given by the build (scripts/build-wasm.js)
export const checked: bool = CHECKED != 0

const TOP_SLACK: u32 = 16

/** The smallest magnitude that an element has. */
export function magnitudeOf(a: usize): u32 {
  let most: u32 = 0
  for (let at: usize = 0; at < ELEMENT; at += VECTOR) {
    const unit: u32 = at == ELEMENT - VECTOR ? (1 << TOP_BITS) + TOP_SLACK : 1 << LIMB_BITS
    for (let lane: usize = 0; lane < 4; lane++) {
      const limb = load<u32>(a + at + 4 * lane)
      most = max(most, limb / unit + u32(limb % unit != 0))
    }
  }
  return most
}

/** Traps in the checked build where the element is larger than it should be. */
// @ts-ignore: decorator
@inline
export function expectMagnitude(a: usize, most: u32): void {
  if (checked) assert(magnitudeOf(a) <= most, 'magnitude')
}

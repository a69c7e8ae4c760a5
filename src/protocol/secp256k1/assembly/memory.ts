/**
 * The memory map, all of it. Every region starts where the one before it ends, so no two overlap; all sizes are multiples of 16.
 *
 * An *element* is four field elements (or scalars) side by side: nine vectors of four 32-bit lanes, limb i of all four in vector i.
 * A *point* is two elements, x then y: four points.
 */

/** Bytes of a vector, of an element, of a point, of a 256-bit number as four 64-bit words. */
export const VECTOR: usize = 16
export const LIMBS: i32 = 9
export const ELEMENT: usize = 9 * VECTOR
export const POINT: usize = 2 * ELEMENT
export const WORDS: usize = 32

/** Signatures in one call at most, and how many groups of four lanes they make. */
export const MOST_SIGNATURES: i32 = 128
export const MOST_GROUPS: i32 = MOST_SIGNATURES / 4
/** Table points that make up one signature's sum at most: windows of G and of the signer. */
export const MOST_WINDOWS: i32 = 64
/** Bits of a window at most, and the entries of such a window's table. */
export const WIDEST: i32 = 13
const WIDEST_ROW: usize = 1 << (WIDEST - 1)

// ---- constants, written once by `writeConstants`

/** p and its small multiples, limb by limb in every lane: `MULTIPLES_OF_P + k · ELEMENT` is k·p without carries, k = 0..4. */
export const MULTIPLES_OF_P: usize = 1024
/** n, limb by limb in every lane. */
export const ORDER: usize = MULTIPLES_OF_P + 5 * ELEMENT
/** R²/2 modulo n, for R = 2^261: brings 1/x into Montgomery form and halves it. */
export const HALF_R_SQUARED: usize = ORDER + ELEMENT
/** (2^(w·d) − 1)/2 modulo n for the windows of G and for those of signers: see `recode.ts`. */
export const OFFSET_G: usize = HALF_R_SQUARED + ELEMENT
export const OFFSET_KEY: usize = OFFSET_G + ELEMENT
/** A modulus for plain arithmetic: its words, then −1/m modulo 2^29. */
export const MODULUS: usize = WORDS + 16
export const MODULUS_INVERSE: usize = WORDS
export const PRIME_MODULUS: usize = OFFSET_KEY + ELEMENT
export const ORDER_MODULUS: usize = PRIME_MODULUS + MODULUS
/** p − n as words: a v of 2 or 3 asks for r below it. */
export const PRIME_MINUS_ORDER: usize = ORDER_MODULUS + MODULUS
/** The 24 round constants of Keccak. */
export const ROUND_CONSTANTS: usize = PRIME_MINUS_ORDER + WORDS
const CONSTANTS_END: usize = ROUND_CONSTANTS + 24 * 8

// ---- what the host writes and reads

/** What `buildTable` takes: x, then y, 32 bytes each, big-endian. */
export const KEY: usize = CONSTANTS_END
/** The signing domain, 32 bytes. */
export const DOMAIN: usize = KEY + 64
/** Signed commitments, 382 bytes each, one after the other. */
export const COMMITMENT_SIZE: usize = 382
export const COMMITMENTS: usize = DOMAIN + 32
/** For each commitment its signing hash and its preconfirmation hash, 32 bytes each. */
export const HASHES: usize = COMMITMENTS + COMMITMENT_SIZE * MOST_SIGNATURES
/** Signatures to check, 128 bytes each: digest(32) ‖ r(32) ‖ s(32) ‖ v(1) ‖ table(1) ‖ 30 unused. */
export const RECORD: usize = 128
export const RECORD_R: usize = 32
export const RECORD_S: usize = 64
export const RECORD_V: usize = 96
export const RECORD_TABLE: usize = 97
export const RECORDS: usize = HASHES + 64 * MOST_SIGNATURES
/** One byte a signature: `INVALID`, `VALID` or `UNDECIDED`. */
export const STATUSES: usize = RECORDS + RECORD * MOST_SIGNATURES

// ---- scratch

/** The 17 columns of a product, 64 bits a lane: of lanes 0 and 1, then of lanes 2 and 3. */
export const COLUMNS_LOW: usize = STATUSES + MOST_SIGNATURES
export const COLUMNS_HIGH: usize = COLUMNS_LOW + 17 * VECTOR
/** One vector that stays zero, then the limbs above 2^261 of a product. */
export const ABOVE_ZERO: usize = COLUMNS_HIGH + 17 * VECTOR
export const ABOVE: usize = ABOVE_ZERO + VECTOR
/** Elements of `invertLanes` alone. */
export const LANE_A: usize = ABOVE + ELEMENT
export const LANE_B: usize = LANE_A + ELEMENT
export const LANE_C: usize = LANE_B + ELEMENT
/** Running product and running inverse of a shared inversion. */
export const PRODUCT: usize = LANE_C + ELEMENT
export const INVERSE: usize = PRODUCT + ELEMENT
/** Elements of a point operation. */
export const T0: usize = INVERSE + ELEMENT
export const T1: usize = T0 + ELEMENT
export const T2: usize = T1 + ELEMENT
export const T3: usize = T2 + ELEMENT
export const T4: usize = T3 + ELEMENT
export const T5: usize = T4 + ELEMENT
/** Points of the callers of point operations. */
export const STEP: usize = T5 + ELEMENT
/** 256-bit numbers, as words. */
export const W0: usize = STEP + POINT
export const W1: usize = W0 + WORDS
/** The four numbers of one modular inversion, nine signed 64-bit limbs each: f, g, d, e. */
export const DIVSTEPS: usize = W1 + WORDS
/** Keccak: two states side by side, and the two padded messages of one commitment (three blocks of 136 bytes each). */
export const KECCAK_STATE: usize = DIVSTEPS + 4 * 80
export const KECCAK_BLOCKS: usize = 3 * 136
export const KECCAK_SIGNING: usize = KECCAK_STATE + 25 * VECTOR
export const KECCAK_PARENT: usize = KECCAK_SIGNING + KECCAK_BLOCKS + 8
/** Recoded scalars, 96 bytes a signature: of G, then of the key, each 32 bytes and 16 that stay zero. */
export const SCALAR: usize = 48
export const SCALARS: usize = KECCAK_PARENT + KECCAK_BLOCKS + 8
/** A group's four s, and the product of all before: two elements a group. */
export const S_PRODUCTS: usize = SCALARS + 2 * SCALAR * MOST_SIGNATURES
/** P, 2P, 4P, … of a table: the Jacobian coordinates of four of them, three elements. */
export const JACOBIAN: usize = 3 * ELEMENT
export const POWERS: usize = S_PRODUCTS + 2 * ELEMENT * MOST_GROUPS
const MOST_POWERS: usize = 280
/** What a shared inversion inverts: an element and the product of all before it. */
export const PAIR: usize = 2 * ELEMENT
export const PAIRS: usize = POWERS + (MOST_POWERS / 4) * JACOBIAN
/** Points of all signatures while they are summed, or of four rows while a table is built. */
export const POINTS: usize = PAIRS + (WIDEST_ROW / 2) * PAIR
const SCRATCH_END: usize = POINTS + WIDEST_ROW * POINT

/** Tables: of G, then of the signers. Entries of 64 bytes, x then y, little-endian words. */
export const ENTRY: usize = 64
export const TABLES: usize = (SCRATCH_END + 65_535) & ~65_535

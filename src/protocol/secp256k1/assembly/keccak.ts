/**
 * Keccak-256 (the padding that Ethereum uses) of two messages of three blocks at once, one in each half of the vectors.
 *
 * A commitment has two hashes, and both messages have three blocks of 136 bytes: the signing hash is of 32 + 317 bytes, the
 * preconfirmation hash of 297. So the two states are those of one commitment.
 */
import {
  COMMITMENTS, COMMITMENT_SIZE, DOMAIN, HASHES, KECCAK_BLOCKS, KECCAK_PARENT, KECCAK_SIGNING, KECCAK_STATE, ROUND_CONSTANTS, VECTOR,
} from './memory'

const RATE: usize = 136
const SIGNED_BYTES: usize = 317
const PARENT_BYTES: usize = 297
const DOMAIN_BYTES: usize = 32

/** Writes the padding, which no message overwrites; the domain must be there. Once for a domain. */
export function prepareHashes(): void {
  pad(KECCAK_SIGNING, DOMAIN_BYTES + SIGNED_BYTES)
  pad(KECCAK_PARENT, PARENT_BYTES)
  memory.copy(KECCAK_SIGNING, DOMAIN, DOMAIN_BYTES)
}

/** 1, zeros, and 1 in the last bit of the last block. */
function pad(message: usize, length: usize): void {
  memory.fill(message + length, 0, KECCAK_BLOCKS - length)
  store<u8>(message + length, 1)
  store<u8>(message + KECCAK_BLOCKS - 1, 0x80)
}

/** Both hashes of the first `count` commitments. */
export function hashCommitments(count: i32): void {
  for (let i = 0; i < count; i++) {
    const commitment = COMMITMENTS + COMMITMENT_SIZE * i
    memory.copy(KECCAK_SIGNING + DOMAIN_BYTES, commitment, SIGNED_BYTES)
    memory.copy(KECCAK_PARENT, commitment, PARENT_BYTES)
    memory.fill(KECCAK_STATE, 0, 25 * VECTOR)
    for (let block: usize = 0; block < KECCAK_BLOCKS; block += RATE) {
      for (let word: usize = 0; word < RATE / 8; word++) {
        const both = v128.load64_lane(KECCAK_PARENT + block + 8 * word, v128.load64_zero(KECCAK_SIGNING + block + 8 * word), 1)
        const at = KECCAK_STATE + VECTOR * word
        v128.store(at, v128.xor(v128.load(at), both))
      }
      permute(KECCAK_STATE)
    }
    const to = HASHES + 64 * i
    for (let word: usize = 0; word < 4; word++) {
      store<u64>(to + 8 * word, load<u64>(KECCAK_STATE + VECTOR * word))
      store<u64>(to + 32 + 8 * word, load<u64>(KECCAK_STATE + VECTOR * word, 8))
    }
  }
}

// @ts-ignore: decorator
@inline
function rotate(x: v128, by: i32): v128 { return v128.or(i64x2.shl(x, by), i64x2.shr_u(x, 64 - by)) }

// @ts-ignore: decorator
@inline
function parity(a: v128, b: v128, c: v128, d: v128, e: v128): v128 { return v128.xor(v128.xor(v128.xor(a, b), v128.xor(c, d)), e) }

/** a xor (not b and c) */
// @ts-ignore: decorator
@inline
function chi(a: v128, b: v128, c: v128): v128 { return v128.xor(a, v128.andnot(c, b)) }

/**
 * Keccak-f[1600] on both states (FIPS 202, 3.2). Lane (x, y) is `a` with number x + 5y. The rotation of the lane at step t of the walk
 * (x, y) → (y, 2x + 3y) from (1, 0) is (t + 1)(t + 2)/2 modulo 64; lane (x, y) moves to (y, 2x + 3y).
 */
function permute(state: usize): void {
  let a0 = v128.load(state, 0), a1 = v128.load(state, 16), a2 = v128.load(state, 32), a3 = v128.load(state, 48), a4 = v128.load(state, 64)
  let a5 = v128.load(state, 80), a6 = v128.load(state, 96), a7 = v128.load(state, 112), a8 = v128.load(state, 128), a9 = v128.load(state, 144)
  let a10 = v128.load(state, 160), a11 = v128.load(state, 176), a12 = v128.load(state, 192), a13 = v128.load(state, 208), a14 = v128.load(state, 224)
  let a15 = v128.load(state, 240), a16 = v128.load(state, 256), a17 = v128.load(state, 272), a18 = v128.load(state, 288), a19 = v128.load(state, 304)
  let a20 = v128.load(state, 320), a21 = v128.load(state, 336), a22 = v128.load(state, 352), a23 = v128.load(state, 368), a24 = v128.load(state, 384)
  for (let round = ROUND_CONSTANTS; round < ROUND_CONSTANTS + 24 * 8; round += 8) {
    const c0 = parity(a0, a5, a10, a15, a20)
    const c1 = parity(a1, a6, a11, a16, a21)
    const c2 = parity(a2, a7, a12, a17, a22)
    const c3 = parity(a3, a8, a13, a18, a23)
    const c4 = parity(a4, a9, a14, a19, a24)
    const d0 = v128.xor(c4, rotate(c1, 1))
    const d1 = v128.xor(c0, rotate(c2, 1))
    const d2 = v128.xor(c1, rotate(c3, 1))
    const d3 = v128.xor(c2, rotate(c4, 1))
    const d4 = v128.xor(c3, rotate(c0, 1))
    const b0 = v128.xor(a0, d0)
    const b1 = rotate(v128.xor(a6, d1), 44)
    const b2 = rotate(v128.xor(a12, d2), 43)
    const b3 = rotate(v128.xor(a18, d3), 21)
    const b4 = rotate(v128.xor(a24, d4), 14)
    const b5 = rotate(v128.xor(a3, d3), 28)
    const b6 = rotate(v128.xor(a9, d4), 20)
    const b7 = rotate(v128.xor(a10, d0), 3)
    const b8 = rotate(v128.xor(a16, d1), 45)
    const b9 = rotate(v128.xor(a22, d2), 61)
    const b10 = rotate(v128.xor(a1, d1), 1)
    const b11 = rotate(v128.xor(a7, d2), 6)
    const b12 = rotate(v128.xor(a13, d3), 25)
    const b13 = rotate(v128.xor(a19, d4), 8)
    const b14 = rotate(v128.xor(a20, d0), 18)
    const b15 = rotate(v128.xor(a4, d4), 27)
    const b16 = rotate(v128.xor(a5, d0), 36)
    const b17 = rotate(v128.xor(a11, d1), 10)
    const b18 = rotate(v128.xor(a17, d2), 15)
    const b19 = rotate(v128.xor(a23, d3), 56)
    const b20 = rotate(v128.xor(a2, d2), 62)
    const b21 = rotate(v128.xor(a8, d3), 55)
    const b22 = rotate(v128.xor(a14, d4), 39)
    const b23 = rotate(v128.xor(a15, d0), 41)
    const b24 = rotate(v128.xor(a21, d1), 2)
    a0 = chi(b0, b1, b2)
    a1 = chi(b1, b2, b3)
    a2 = chi(b2, b3, b4)
    a3 = chi(b3, b4, b0)
    a4 = chi(b4, b0, b1)
    a5 = chi(b5, b6, b7)
    a6 = chi(b6, b7, b8)
    a7 = chi(b7, b8, b9)
    a8 = chi(b8, b9, b5)
    a9 = chi(b9, b5, b6)
    a10 = chi(b10, b11, b12)
    a11 = chi(b11, b12, b13)
    a12 = chi(b12, b13, b14)
    a13 = chi(b13, b14, b10)
    a14 = chi(b14, b10, b11)
    a15 = chi(b15, b16, b17)
    a16 = chi(b16, b17, b18)
    a17 = chi(b17, b18, b19)
    a18 = chi(b18, b19, b15)
    a19 = chi(b19, b15, b16)
    a20 = chi(b20, b21, b22)
    a21 = chi(b21, b22, b23)
    a22 = chi(b22, b23, b24)
    a23 = chi(b23, b24, b20)
    a24 = chi(b24, b20, b21)
    a0 = v128.xor(a0, v128.splat<u64>(load<u64>(round)))
  }
  v128.store(state, a0, 0)
  v128.store(state, a1, 16)
  v128.store(state, a2, 32)
  v128.store(state, a3, 48)
  v128.store(state, a4, 64)
  v128.store(state, a5, 80)
  v128.store(state, a6, 96)
  v128.store(state, a7, 112)
  v128.store(state, a8, 128)
  v128.store(state, a9, 144)
  v128.store(state, a10, 160)
  v128.store(state, a11, 176)
  v128.store(state, a12, 192)
  v128.store(state, a13, 208)
  v128.store(state, a14, 224)
  v128.store(state, a15, 240)
  v128.store(state, a16, 256)
  v128.store(state, a17, 272)
  v128.store(state, a18, 288)
  v128.store(state, a19, 304)
  v128.store(state, a20, 320)
  v128.store(state, a21, 336)
  v128.store(state, a22, 352)
  v128.store(state, a23, 368)
  v128.store(state, a24, 384)
}

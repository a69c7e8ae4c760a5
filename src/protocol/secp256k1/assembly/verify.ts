/**
 * The module's work on a batch of signatures, stage by stage. Everything it needs of its caller is in the memory map; its own state is
 * the windows' widths and where the tables are.
 */
import { windowsOf, setGenerator, writeConstants } from './curve'
import {
  COMMITMENTS, COMMITMENT_SIZE, ELEMENT, HASHES, KEY, MOST_SIGNATURES, MOST_WINDOWS, ORDER_MODULUS, POINT, POINTS, PRIME_MODULUS, RECORD,
  RECORDS, RECORD_R, RECORD_TABLE, RECORD_V, STATUSES, TABLES, W0, W1, WIDEST,
} from './memory'
import { checkRanges, recodeScalars } from './recode'
import { UNDECIDED, INVALID, VALID } from './status'
import { gather, sumPoints } from './sum'
import { tableSize, writeTable } from './table'
import { add, equal, fromLane, readBigEndian } from './words'

/** Where a commitment's signature is: r ‖ s ‖ v. */
const SIGNATURE: usize = 317

let bitsG: i32 = 0
let bitsKey: i32 = 0
let windowsG: i32 = 0
let windowsKey: i32 = 0
let keyTables: usize = 0
let keyTableBytes: usize = 0
let tables: i32 = 0

/**
 * Sets the widths of the windows, 6 to 13 bits, gets memory for so many signers' tables, and writes the table of G. Once, before anything
 * else. False where the widths are out of range, memory is lacking, or the arithmetic is at fault.
 */
export function initialize(widthG: i32, widthKey: i32, signers: i32): bool {
  if (widthG < 6 || widthG > WIDEST || widthKey < 6 || widthKey > WIDEST || signers < 1 || signers > 256) return false
  bitsG = widthG
  bitsKey = widthKey
  windowsG = windowsOf(widthG)
  windowsKey = windowsOf(widthKey)
  tables = signers
  if (windowsG + windowsKey > MOST_WINDOWS) return false
  keyTables = TABLES + tableSize(widthG)
  keyTableBytes = tableSize(widthKey)
  const pages = ((keyTables + keyTableBytes * signers + 65_535) >> 16) as i32
  if (pages > memory.size() && memory.grow(pages - memory.size()) < 0) return false
  writeConstants(widthG, widthKey)
  setGenerator(KEY, KEY + 32)
  return writeTable(TABLES, KEY, KEY + 32, bitsG)
}

/** Writes signer `slot`'s table, for the public key at `KEY`. False where that is no point of the curve. */
export function buildTable(slot: i32): bool {
  if (slot < 0 || slot >= tables) return false
  readBigEndian(KEY, KEY)
  readBigEndian(KEY + 32, KEY + 32)
  return writeTable(keyTables + keyTableBytes * slot, KEY, KEY + 32, bitsKey)
}

/** Makes record `to` of commitment `from`, whose hashes are there, and signer `slot`. */
export function select(to: i32, from: i32, slot: i32): void {
  if (to < 0 || to >= MOST_SIGNATURES || from < 0 || from >= MOST_SIGNATURES) return
  const record = RECORDS + RECORD * to
  memory.copy(record, HASHES + 64 * from, 32)
  memory.copy(record + RECORD_R, COMMITMENTS + COMMITMENT_SIZE * from + SIGNATURE, 65)
  store<u8>(record + RECORD_TABLE, slot as u8)
}

/** Stages of `verify`, for those who want to time them. */
const SCALAR_STAGE = 1
const GATHER_STAGE = 2
const SUM_STAGE = 4
const CHECK_STAGE = 8

/** Writes the status of the first `count` records, 1 to 128. Their r and s may be overwritten. */
export function verify(count: i32, stages: i32): void {
  if (count < 1 || count > MOST_SIGNATURES) return
  const groups = (count + 3) >> 2
  if (stages & SCALAR_STAGE) {
    // The lanes of the last group that no signature fills repeat the last one.
    for (let i = count; i < 4 * groups; i++) memory.copy(RECORDS + RECORD * i, RECORDS + RECORD * (count - 1), RECORD)
    checkRanges(4 * groups, tables)
    if (!recodeScalars(groups)) giveUp(count)
  }
  if (stages & GATHER_STAGE) {
    for (let b = 0; b < groups; b++) gather(b, TABLES, bitsG, windowsG, keyTables, keyTableBytes, bitsKey, windowsKey)
  }
  if (stages & SUM_STAGE && !sumPoints(groups, windowsG + windowsKey)) giveUp(count)
  if (stages & CHECK_STAGE) for (let i = 0; i < count; i++) compare(i)
}

function giveUp(count: i32): void { memory.fill(STATUSES, UNDECIDED, count) }

/** Step 5: whether R has the x that r says, r + n where v says so, and the parity that v says. */
function compare(i: i32): void {
  if (load<u8>(STATUSES + i) != VALID) return
  const sum = POINTS + POINT * (windowsG + windowsKey) * (i >> 2), record = RECORDS + RECORD * i
  const v = load<u8>(record, RECORD_V)
  readBigEndian(W1, record + RECORD_R)
  if (v & 2) add(W1, W1, ORDER_MODULUS)
  fromLane(W0, sum, i & 3, PRIME_MODULUS)
  const sameX = equal(W0, W1)
  fromLane(W0, sum + ELEMENT, i & 3, PRIME_MODULUS)
  store<u8>(STATUSES + i, sameX && (load<u8>(W0) & 1) == (v & 1) ? VALID : INVALID)
}

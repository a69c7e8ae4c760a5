import { open, readFile, readdir, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../../make-folder.js'
import { decompressSnappy } from '../../protocol/snappy.js'
import { nameOf } from '../../protocol/thrown.js'
import { crc32c, unmasked } from './crc32c.js'
import type { Crc } from './crc32c.js'
import { recordsOf } from './logs.js'

/**
 * LevelDB's tables, looked at without LevelDB: it checks no block that it reads (the library has no option for it), and what a damaged one makes
 * it believe ends in a wrong answer or, by a failed assertion, in the end of the whole process. The form is that of LevelDB's
 * `doc/table_format.md`: blocks, each with a byte for its compression and a CRC-32C; an index of blocks; a footer that says where that is.
 */
const TABLE = /^\d+\.(ldb|sst)$/
const FOOTER = 48
const TRAILER = 5
const MAGIC = 0xdb4775248b80fb57n
/** A block's text takes so much more at most than its compressed form, bytes. */
const MOST_INDEX = 256 * 1024 * 1024

/** Where what LevelDB's own repair cannot read goes too. */
const LOST = 'lost'

interface Handle { readonly offset: number; readonly size: number }

/**
 * Names of the tables in which a block is not what was written: of those that belong to the database, since a process that is killed while it
 * writes one leaves a part of it.
 * @param most bytes of tables: where there are more, nothing is looked at (2 GiB take some seconds)
 */
export async function damagedTables(folder: string, most = Infinity): Promise<readonly string[]> {
  const all = (await readdir(folder)).filter(file => TABLE.test(file))
  if (all.length === 0) return []
  const crc = await crc32c()
  const own = await ownTables(folder, crc)
  const tables = all.filter(file => own?.has(parseInt(file, 10)) !== false)
  let bytes = 0
  for (const table of tables) bytes += (await stat(join(folder, table))).size
  if (bytes > most) return []
  const damaged: string[] = []
  for (const table of tables) if (!await isIntact(join(folder, table), crc)) damaged.push(table)
  return damaged
}

/** Puts tables out of LevelDB's way; nothing is deleted. */
export async function putAside(folder: string, tables: readonly string[]): Promise<void> {
  await makeFolder(join(folder, LOST))
  for (const table of tables) await rename(join(folder, table), join(folder, LOST, table))
}

/** Numbers of the tables that the manifest names; `undefined` where there is none that could be read: then all belong to it. */
async function ownTables(folder: string, crc: Crc): Promise<ReadonlySet<number> | undefined> {
  try {
    const current = await readFile(join(folder, 'CURRENT'), 'utf8')
    const tables = new Set<number>()
    for (const edit of recordsOf(await readFile(join(folder, current.trim())), crc)) applyEdit(edit, tables)
    return tables
  } catch {
    return undefined
  }
}

/** Tags of an edit of the manifest (LevelDB's `db/version_edit.cc`). */
const TAG = { comparator: 1, compactPointer: 5, deletedFile: 6, newFile: 7 } as const

function applyEdit(edit: Uint8Array, tables: Set<number>): void {
  let at = 0
  const number = (): number => {
    const [value, next] = readVarint(edit, at)
    at = next
    return value
  }
  const skipText = (): void => { const length = number(); at += length }
  while (at < edit.length) {
    const tag = number()
    if (tag === TAG.comparator) { skipText(); continue }
    // A level, or all there is of it: a number.
    number()
    if (tag === TAG.compactPointer) skipText()
    else if (tag === TAG.deletedFile) tables.delete(number())
    else if (tag === TAG.newFile) {
      tables.add(number())
      number()
      skipText()
      skipText()
    }
  }
}

async function isIntact(path: string, crc: Crc): Promise<boolean> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    if (size < FOOTER) return false
    // At most some MiB: LevelDB is told to make tables of 8 MiB, with one value of 2 MiB above that.
    const bytes = new Uint8Array(await file.readFile())
    const footer = bytes.subarray(size - FOOTER)
    if (new DataView(footer.buffer, footer.byteOffset).getBigUint64(FOOTER - 8, true) !== MAGIC) return false
    const [meta, afterMeta] = readHandle(footer, 0)
    const [index] = readHandle(footer, afterMeta)
    if (!blockIsIntact(bytes, meta, crc)) return false
    return handlesIn(textOf(bytes, index, crc)).every(handle => blockIsIntact(bytes, handle, crc))
  } catch (error) {
    if (nameOf(error) === 'RangeError') return false
    throw error
  } finally {
    await file.close()
  }
}

function blockIsIntact(bytes: Uint8Array, { offset, size }: Handle, crc: Crc): boolean {
  const end = offset + size + TRAILER
  if (end > bytes.length) return false
  const stated = new DataView(bytes.buffer, bytes.byteOffset).getUint32(end - 4, true)
  return unmasked(stated) === crc(bytes.subarray(offset, end - 4))
}

/** @throws RangeError where it is damaged */
function textOf(bytes: Uint8Array, handle: Handle, crc: Crc): Uint8Array {
  const { offset, size } = handle
  if (!blockIsIntact(bytes, handle, crc)) throw new RangeError('a damaged index')
  const block = bytes.subarray(offset, offset + size)
  const text = bytes[offset + size] === 0 ? block : decompressSnappy(block, MOST_INDEX)
  if (text === undefined) throw new RangeError('an index that cannot be read')
  return text
}

/** The blocks that an index names: each entry has a key, which shares its beginning with the one before, and a handle. */
function handlesIn(index: Uint8Array): readonly Handle[] {
  const view = new DataView(index.buffer, index.byteOffset, index.length)
  const restarts = view.getUint32(index.length - 4, true)
  const end = index.length - 4 - 4 * restarts
  const handles: Handle[] = []
  for (let at = 0; at < end;) {
    const [, afterShared] = readVarint(index, at)
    const [own, afterOwn] = readVarint(index, afterShared)
    const [length, afterLength] = readVarint(index, afterOwn)
    const [handle] = readHandle(index, afterLength + own)
    handles.push(handle)
    at = afterLength + own + length
  }
  return handles
}

function readHandle(bytes: Uint8Array, at: number): readonly [handle: Handle, next: number] {
  const [offset, afterOffset] = readVarint(bytes, at)
  const [size, next] = readVarint(bytes, afterOffset)
  return [{ offset, size }, next]
}

/** @throws RangeError where it does not end */
function readVarint(bytes: Uint8Array, at: number): readonly [value: number, next: number] {
  let value = 0
  for (let shift = 0; shift < 49; shift += 7) {
    const byte = bytes[at++]
    if (byte === undefined) break
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return [value, at]
  }
  throw new RangeError('a number without end')
}

import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { nameOf } from '../../protocol/thrown.js'
import { crc32c, unmasked } from './crc32c.js'
import type { Crc } from './crc32c.js'

/**
 * LevelDB's logs, looked at without LevelDB, which drops what it cannot read of them when it opens (`doc/log_format.md`): blocks of 32 KiB,
 * records in them that each have a CRC-32C, a length and a type. A last record that is cut short is an unfinished write, and nothing lost.
 */
const LOG = /^\d+\.log$/
const BLOCK = 32_768
const HEADER = 7

/** Names of the logs of which a part is not what was written. */
export async function damagedLogs(folder: string): Promise<readonly string[]> {
  const crc = await crc32c()
  const damaged: string[] = []
  for (const file of (await readdir(folder)).filter(name => LOG.test(name))) {
    if (!isIntact(await readFile(join(folder, file)), crc)) damaged.push(file)
  }
  return damaged
}

function isIntact(log: Buffer, crc: Crc): boolean {
  try {
    for (const part of partsOf(log, crc)) if (part.length === 0) continue
    return true
  } catch (error) {
    if (nameOf(error) === 'RangeError') return false
    throw error
  }
}

/** Types of a part that ends its record. */
const [FULL, LAST] = [1, 4]

/** The records of a log, or of a manifest, which has the same form. @throws RangeError where a part is not what was written */
export function * recordsOf(log: Buffer, crc: Crc): IterableIterator<Uint8Array> {
  let parts: Buffer[] = []
  for (const part of partsOf(log, crc)) {
    parts.push(part.subarray(1))
    if (part[0] !== FULL && part[0] !== LAST) continue
    yield Buffer.concat(parts)
    parts = []
  }
}

/** Each with its type before it. */
function * partsOf(log: Buffer, crc: Crc): IterableIterator<Buffer> {
  for (let at = 0; at + HEADER <= log.length;) {
    const left = BLOCK - at % BLOCK
    if (left < HEADER) { at += left; continue }
    const length = log.readUInt16LE(at + 4)
    const end = at + HEADER + length
    if (length > left - HEADER) throw new RangeError('a damaged length')
    // Cut short by the end of the file; but not in the middle of one that goes on with zeros.
    if (end > log.length) return
    const part = log.subarray(at + HEADER - 1, end)
    if (unmasked(log.readUInt32LE(at)) !== crc(part)) throw new RangeError('a damaged part')
    yield part
    at = end
  }
}

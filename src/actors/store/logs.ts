import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c, unmasked } from './crc32c.js'

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

function isIntact(log: Buffer, crc: (bytes: Uint8Array) => number): boolean {
  for (let at = 0; at + HEADER <= log.length;) {
    const left = BLOCK - at % BLOCK
    if (left < HEADER) { at += left; continue }
    const length = log.readUInt16LE(at + 4)
    if (length > left - HEADER) return false
    const end = at + HEADER + length
    // Cut short by the end of the file; but not in the middle of one that goes on with zeros.
    if (end > log.length) return true
    if (unmasked(log.readUInt32LE(at)) !== crc(log.subarray(at + 6, end))) return false
    at = end
  }
  return true
}

import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import type { Opened } from '../../src/actors/store/database.js'
import { fileDatabase } from '../../src/actors/store/file-database.js'
import { commitment, hashOf } from './fixtures.js'

/** A store on disk, and what may happen to it behind its back. */
export const NOW = 1_800_000_000_000
export const clock = { now: () => NOW }
export const OPEN_WINDOW = 1_800_000_060n
export const own = (height: bigint, variant = 0) => commitment({ height, variant, window: OPEN_WINDOW })
export const open = async (dataDir: string): Promise<{ db: ReturnType<typeof fileDatabase>; opened: Opened }> => {
  const db = fileDatabase({ dataDir, chainId: 7n, clock })
  return { db, opened: await db.open() }
}

/** Blocks 1 to 20, each with its txlist and as signed by us, one transaction each. */
export async function filled(dataDir: string, upTo = 20n): Promise<string> {
  const { db } = await open(dataDir)
  for (let height = 1n; height <= upTo; height++) {
    const block = { ...own(height), txList: undefined }
    await db.commit({ commitments: [block], signed: [block], txLists: [{ hash: hashOf('t', String(height)), bytes: new Uint8Array(300).fill(Number(height)), blockNumber: height }] })
  }
  await db.close()
  return join(dataDir, 'store')
}

export const fileIn = async (folder: string, end: string): Promise<string> => join(folder, (await readdir(folder)).filter(file => file.endsWith(end)).sort().at(-1) ?? 'none')

export async function flip(path: string, at: (length: number) => number): Promise<void> {
  const bytes = await readFile(path)
  const position = at(bytes.length)
  bytes[position] = (bytes[position] ?? 0) ^ 1
  await writeFile(path, bytes)
}

export async function raw(folder: string, work: (level: ClassicLevel<Buffer, Buffer>) => Promise<void>): Promise<void> {
  const level = new ClassicLevel<Buffer, Buffer>(folder, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  await level.open()
  await work(level)
  await level.close()
}

/** Changes a byte of the values whose keys begin so; gives how many. */
export async function damage(folder: string, space: string, which: (index: number) => boolean = () => true): Promise<number> {
  let changed = 0
  await raw(folder, async level => {
    const entries = await level.iterator({ gte: Buffer.from(space), lt: Buffer.concat([Buffer.from(space), Buffer.from([0xff])]) }).all()
    for (const [index, [key, value]] of entries.entries()) {
      if (!which(index)) continue
      value[value.length - 1] = (value[value.length - 1] ?? 0) ^ 1
      await level.put(key, value)
      changed++
    }
  })
  return changed
}

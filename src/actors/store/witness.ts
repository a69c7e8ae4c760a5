import { closeSync, openSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

const FILE = 'acknowledged'

/**
 * How many transactions were said to be durable, in a file of its own beside the database (H79): a database that knows of fewer has lost the end
 * of its log, or is an older copy that was put back. Written after each, and not synced: the file may be behind, never ahead, so that it
 * accuses nobody wrongly. One that cannot be read or written says nothing.
 */
export class Witness {
  #file: number | undefined

  private constructor(readonly commits: number | undefined, file: number | undefined) { this.#file = file }

  static async open(dataDir: string): Promise<Witness> {
    const path = join(dataDir, FILE)
    const text = await readFile(path, 'utf8').catch(() => '')
    return new Witness(read(text), opened(path))
  }

  write(commits: number): void {
    if (this.#file === undefined) return
    try {
      writeSync(this.#file, written(commits), 0)
    } catch {
      this.close()
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }
}

/** A count of fixed width and its CRC-32, so that a torn one is none. */
function written(commits: number): string {
  const count = String(commits).padStart(16, '0')
  return `${count} ${crc32(count).toString(16).padStart(8, '0')}\n`
}

function read(text: string): number | undefined {
  const commits = Number(/^(\d{16}) /.exec(text)?.[1])
  return Number.isSafeInteger(commits) && text === written(commits) ? commits : undefined
}

function opened(path: string): number | undefined {
  for (const flags of ['r+', 'w'] as const) {
    try {
      return openSync(path, flags)
    } catch {
      // There is none yet, or none can be written.
    }
  }
  return undefined
}

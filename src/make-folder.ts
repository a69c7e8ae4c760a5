import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { codeOf } from './protocol/thrown.js'

/**
 * Makes a folder and those above it, one at a time: Node's own recursive form asks without end where the system denies each folder as if the one above
 * were missing (`/proc`, some network file systems).
 * @throws errors of the file system
 */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = []
  for (let at = resolve(path); !await isThere(at); at = dirname(at)) {
    missing.unshift(at)
    if (dirname(at) === at) break
  }
  // Node tells of a file in the way when it makes one in it; not where it is the last name itself
  for (const folder of missing.length === 0 ? [resolve(path)] : missing) await makeOne(folder)
}

async function makeOne(folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST' && codeOf(error) !== 'EROFS' && codeOf(error) !== 'EACCES') throw error
    // somebody else was faster, or it was there
    if (!await stat(folder).then(found => found.isDirectory(), () => false)) throw error
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false
    throw error
  }
}

import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { fileDatabase } from '../../src/actors/store/file-database.js'
import { hex, inFolder } from './fixtures.js'
import { batchOf } from './writer-child.js'

const CHILD = fileURLToPath(new URL('./writer-child.js', import.meta.url))
const run = promisify(execFile)
const succeeds = (file: string, ...args: readonly string[]) => run(file, args).then(() => true, () => false)

interface Seen { readonly said: ReadonlyMap<string, string>; readonly stored: readonly bigint[]; readonly code: number | null }

/** Runs the filling writer; `makeRoom` is called once it has failed and looked around. */
type MakeRoom = (child: ChildProcess) => Promise<void>

async function fill(command: readonly string[], dataDir: string, makeRoom: MakeRoom): Promise<Seen> {
  const [file = '', ...args] = [...command, process.execPath, CHILD, dataDir, 'fill']
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
  const said = new Map<string, string>()
  const stored: bigint[] = []
  for await (const line of createInterface({ input: child.stdout! })) {
    const [what = '', value = ''] = line.split(' ')
    said.set(what, value)
    if (what === 'stored') stored.push(BigInt(value))
    if (what === 'page') {
      await makeRoom(child)
      child.send('room')
    }
  }
  return { said, stored, code: await ended }
}

async function check({ said, stored, code }: Seen, dataDir: string): Promise<void> {
  const page = String(10 * 382)
  expect(Object.fromEntries(said)).to.include({ failed: 'disk_full', again: 'disk_full', recovered: 'ok', page })
  expect(code).to.equal(0)
  const failedAt = BigInt(said.get('highest') ?? 0)
  expect(stored.filter(height => height <= failedAt).length, 'no false `stored`').to.equal(Number(failedAt))
  const db = fileDatabase({ dataDir })
  await db.open()
  for (const height of stored) {
    const { commitments = [], txLists = [] } = batchOf(height)
    expect(hex(await db.canonicalRange(height, 1))).to.equal(hex(commitments[0]?.ssz))
    expect(hex(await db.txList(txLists[0]!.hash))).to.equal(hex(txLists[0]?.bytes))
  }
  await db.close()
}

describe('a disk without room', () => {
  it('H33: at a file size limit: a typed error, reads go on, and it stores again when the limit is lifted', async function () {
    if (!await succeeds('prlimit', '--version')) {
      console.log('      skipped: no prlimit here to lift the limit with')
      return this.skip()
    }
    await inFolder(async dataDir => {
      const limited = ['bash', '-c', 'ulimit -S -f 2000; exec "$@"', 'bash']
      const lift = async (child: ChildProcess) => { await run('prlimit', ['--pid', String(child.pid), '--fsize=unlimited']) }
      const seen = await fill(limited, dataDir, lift)
      await check(seen, dataDir)
    })
  })

  it('H33: on a full disk: a typed error, reads go on, and it stores again when there is room', async function () {
    const disk = await mkdtemp(join(tmpdir(), 'store-disk-'))
    if (!await succeeds('mount', '-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', disk)) {
      await rm(disk, { recursive: true })
      console.log('      skipped: this process may not mount a small disk (the file size limit above takes the same way)')
      return this.skip()
    }
    try {
      const ballast = join(disk, 'ballast')
      await writeFile(ballast, Buffer.alloc(8 * 1024 * 1024, 1))
      const seen = await fill([], join(disk, 'data'), () => rm(ballast))
      await check(seen, join(disk, 'data'))
    } finally {
      await run('umount', ['-l', disk])
      await rm(disk, { recursive: true })
    }
  })
})

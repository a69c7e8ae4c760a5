import { spawn, spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { fileDatabase } from '../../src/actors/store/file-database.js'
import { hex, inFolder } from './fixtures.js'
import { batchOf } from './writer-child.js'

const CHILD = fileURLToPath(new URL('./writer-child.js', import.meta.url))

/** Runs the writer until it has reported so many heights as stored, then kills it. Gives those that it reported. */
async function writeAndKill(dataDir: string, enough: number): Promise<readonly bigint[]> {
  const child = spawn(process.execPath, [CHILD, dataDir, 'write'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise(resolve => child.once('exit', resolve))
  const stored: bigint[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    const [what, height = ''] = line.split(' ')
    if (what === 'stored') stored.push(BigInt(height))
    if (what === (enough === 0 ? 'opened' : 'stored') && stored.length === enough) child.kill('SIGKILL')
  }
  await ended
  return stored
}

describe('a process killed while it writes', () => {
  it('H23: kill −9 at ten moments: everything that was reported stored is there and intact', () => inFolder(async dataDir => {
    const reported = new Set<bigint>()
    for (let kill = 0; kill < 10; kill++) {
      for (const height of await writeAndKill(dataDir, kill * 3)) reported.add(height)
      const db = fileDatabase({ dataDir })
      const opened = await db.open()
      const highest = opened.stats.highest ?? 0n
      expect(opened.stats.commitments, 'commits are applied in order').to.equal(Number(highest))
      for (const height of reported) {
        const { commitments = [], txLists = [] } = batchOf(height)
        expect(hex(await db.canonicalRange(height, 1)), `commitment ${height}`).to.equal(hex(commitments[0]?.ssz))
        expect(hex(await db.txList(txLists[0]!.hash)), `txlist ${height}`).to.equal(hex(txLists[0]?.bytes))
      }
      expect(await db.meta('last') ?? '0', 'a batch is whole').to.equal(highest.toString())
      await db.close()
    }
    expect(reported.size, 'it wrote').to.be.greaterThan(20)
  }))

  it('H23: by the trace of its system calls, nothing is reported stored before its fdatasync', async function () {
    if (spawnSync('strace', ['-f', '-o', '/dev/null', process.execPath, '-e', '']).status !== 0) {
      console.log('      skipped: there is no strace here, or it may not trace')
      return this.skip()
    }
    await inFolder(async folder => {
      const trace = join(folder, 'trace')
      const writer = [process.execPath, CHILD, join(folder, 'data'), 'single']
      const args = ['-f', '-e', 'trace=fdatasync,write', '-s', '40', '-o', trace, ...writer]
      const { status } = spawnSync('strace', args, { stdio: 'ignore', timeout: 100_000, killSignal: 'SIGKILL' })
      expect(status).to.equal(0)
      let [opened, synced, reported] = [false, 0, 0]
      for (const line of (await readFile(trace, 'utf8')).split('\n')) {
        if (line.includes('"opened ')) opened = true
        if (!opened) continue
        if (/fdatasync.*= 0$/.test(line)) synced++
        if (line.includes('"stored ')) reported++
        expect(reported, 'one commit at a time, each with its own sync').to.be.at.most(synced)
      }
      expect(reported).to.equal(50)
    })
  })
})

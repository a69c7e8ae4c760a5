import { spawn } from 'node:child_process'
import { access, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { fileDatabase } from '../../src/actors/store/file-database.js'
import { judge, readHolder, releaseLock, selfAsHolder, writeLock } from '../../src/actors/store/lock.js'
import type { Holder } from '../../src/actors/store/lock.js'
import { blocks, failureOf, inFolder } from './fixtures.js'

const CHILD = fileURLToPath(new URL('./writer-child.js', import.meta.url))

const exists = (path: string) => access(path).then(() => true, () => false)

describe('the lock of a data directory', () => {
  const opensAfter = async (dataDir: string, holder: object | string) => {
    const db = fileDatabase({ dataDir })
    await db.open()
    await db.close()
    await writeFile(join(dataDir, 'lock'), typeof holder === 'string' ? holder : JSON.stringify(holder))
    const again = fileDatabase({ dataDir })
    await again.open()
    expect((await readHolder(dataDir))?.pid).to.equal(process.pid)
    await again.close()
  }

  it('names its holder, in the file and in the error, and is released on close', () => inFolder(async dataDir => {
    const first = fileDatabase({ dataDir })
    await first.open()
    expect(await readHolder(dataDir)).to.include({ pid: process.pid })
    const error = await failureOf(fileDatabase({ dataDir }).open())
    expect(error).to.include({ name: 'StoreError', code: 'locked', value: process.pid })
    expect(String(error)).to.contain(`process ${process.pid}`)
    await first.close()
    expect(await exists(join(dataDir, 'lock'))).to.equal(false)
    const second = fileDatabase({ dataDir })
    await second.open()
    await second.close()
  }))

  it('is held against another process until that has gone', () => inFolder(async dataDir => {
    const child = spawn(process.execPath, [CHILD, dataDir, 'hold'], { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise(resolve => child.stdout.once('data', resolve))
    const error = await failureOf(fileDatabase({ dataDir }).open())
    expect(error).to.include({ code: 'locked', value: child.pid })
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
    const db = fileDatabase({ dataDir })
    const opened = await db.open()
    expect(opened.stats.commitments).to.equal(1)
    await db.close()
  }))

  it('of a dead pid is stale', () => inFolder(async dataDir => {
    const self = await selfAsHolder('me')
    const child = spawn(process.execPath, ['-e', ''])
    await new Promise(resolve => child.once('exit', resolve))
    expect(await judge({ ...self, pid: child.pid ?? 0, token: 'other' }, self)).to.equal('stale')
    await opensAfter(dataDir, { ...self, pid: child.pid, token: 'other' })
  }))

  it('of a pid that is used again is stale where the system tells when a process started', async function () {
    const self = await selfAsHolder('me')
    if (self.started === undefined) return this.skip()
    const parent: Holder = { ...self, pid: process.ppid, token: 'other' }
    expect(await judge({ ...parent, started: '1' }, self)).to.equal(process.ppid === 1 ? 'held' : 'stale')
    const before = { ...self, started: '1', token: 'other' }
    expect(await judge(before, self), 'our own pid, as in a container that starts anew').to.equal('stale')
    expect(await judge({ ...self, boot: 'another', token: 'other' }, self)).to.equal('stale')
    await inFolder(dataDir => opensAfter(dataDir, { ...self, started: '1', token: 'other' }))
  })

  it('that cannot be judged leaves the decision to the lock of the database', () => inFolder(async dataDir => {
    const self = await selfAsHolder('me')
    expect(await judge({ ...self, started: undefined, token: 'other' }, self)).to.equal('unsure')
    expect(await judge({ ...self, host: 'elsewhere', token: 'other' }, self)).to.equal('unsure')
    const elsewhere = await judge({ ...self, pidNamespace: 'pid:[1]', token: 'other' }, self)
    if (self.pidNamespace !== undefined) expect(elsewhere).to.equal('unsure')
    await opensAfter(dataDir, { ...self, host: 'elsewhere', token: 'other' })
    await opensAfter(dataDir, 'cut sho')
    const first = fileDatabase({ dataDir })
    await first.open()
    await writeLock(dataDir, { ...self, host: 'elsewhere', pid: 4_242, token: 'other' })
    expect(await failureOf(fileDatabase({ dataDir }).open())).to.include({ code: 'locked', value: 4_242 })
    await first.close()
  }))

  it('of another opener is not taken away', () => inFolder(async dataDir => {
    await mkdir(dataDir, { recursive: true })
    await writeLock(dataDir, await selfAsHolder('theirs'))
    await releaseLock(dataDir, 'ours')
    expect(await readFile(join(dataDir, 'lock'), 'utf8')).to.contain('theirs')
    await releaseLock(dataDir, 'theirs')
    expect(await exists(join(dataDir, 'lock'))).to.equal(false)
  }))

  it('two that open at once: one holds it', () => inFolder(async dataDir => {
    const databases = Array.from({ length: 4 }, () => fileDatabase({ dataDir }))
    const outcomes = await Promise.allSettled(databases.map(db => db.open()))
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).to.equal(1)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).to.include({ code: 'locked', value: process.pid })
    }
    const winner = databases[outcomes.findIndex(({ status }) => status === 'fulfilled')]
    await winner?.commit({ commitments: blocks(1n, 1) })
    await Promise.all(databases.map(db => db.close()))
  }))
})

import { readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { fileDatabase } from '../../src/actors/store/file-database.js'
import { checkStore, repairStore } from '../../src/actors/store/maintenance.js'
import { StoreError } from '../../src/actors/store/errors.js'
import { own, open, fileIn, filled, flip, raw, damage } from './damaging.js'
import { failureOf, hex, inFolder } from './fixtures.js'

describe('store check and store repair', () => {
  it('a table that was being written when the process was killed belongs to nobody: nothing was lost', () => inFolder(async dataDir => {
    const folder = await filled(dataDir)
    // Opening and closing makes tables of what the log holds.
    for (let times = 0; times < 2; times++) await raw(folder, async level => { await level.put(Buffer.from('m'), Buffer.from(String(times))) })
    const [table] = (await readdir(folder)).filter(file => file.endsWith('.ldb'))
    const whole = await readFile(join(folder, table!))
    await writeFile(join(folder, '000900.ldb'), whole.subarray(0, whole.length / 2))
    await writeFile(join(folder, '000901.ldb'), '')
    expect((await checkStore(dataDir)).problems).to.deep.equal([])
    const { db, opened } = await open(dataDir)
    expect([opened.loss, opened.discarded, opened.stats.canonical]).to.deep.equal([undefined, [], 20])
    await db.close()
    for (const damaged of [Buffer.alloc(0), whole.subarray(0, whole.length / 2)]) {
      await writeFile(join(folder, table!), damaged)
      expect((await checkStore(dataDir)).problems.join(), 'one that does belong').to.include(table!)
    }
  }))

  it('of a store in order find nothing, and change nothing', () => inFolder(async dataDir => {
    await filled(dataDir)
    expect(await checkStore(dataDir)).to.deep.equal({ problems: [], notes: Array.from({ length: 19 }, (_, at) => `${at + 2} does not link to what is below it`) })
    expect(await repairStore(dataDir)).to.deep.equal({ problems: [], lost: undefined })
    const { db, opened } = await open(dataDir)
    expect([opened.loss, opened.stats.canonical]).to.deep.equal([undefined, 20])
    await db.close()
  }))

  it('name every record that is damaged, and put the rest right', () => inFolder(async dataDir => {
    const folder = await filled(dataDir)
    await damage(folder, 'c', index => index === 2)
    await damage(folder, 't', index => index === 5)
    await damage(folder, 'o', index => index === 7)
    await raw(folder, async level => { await level.del(Buffer.concat([Buffer.from('x'), own(1n).hash])) })
    const { problems } = await checkStore(dataDir)
    for (const named of ['commitment', 'txlist', 'what we signed', 'not found by its hash']) expect(problems.join('\n')).to.include(named)
    expect(await checkStore(dataDir), 'looking changes nothing').to.deep.include({ problems })
    const { lost } = await repairStore(dataDir)
    expect(lost).to.include({ what: 'signed' })
    expect((await checkStore(dataDir)).problems).to.deep.equal([])
    const { db, opened } = await open(dataDir)
    expect(opened.stats).to.include({ commitments: 19, txLists: 19 })
    expect(hex((await db.commitmentByHash(own(1n).hash))?.ssz)).to.equal(hex(own(1n).ssz))
    await db.close()
  }))

  it('a damaged file is named without being opened, so that the loss is still told by the start', () => inFolder(async dataDir => {
    const folder = await filled(dataDir)
    const log = await fileIn(folder, '.log')
    await flip(log, length => length - 40)
    const before = (await readdir(folder)).sort()
    expect((await checkStore(dataDir)).problems).to.have.length(1)
    expect((await readdir(folder)).sort()).to.deep.equal(before)
    const { db, opened } = await open(dataDir)
    expect(opened.loss).to.include({ what: 'log' })
    await db.close()
  }))

  it('what says which files belong to the database is gone: a start refuses, a repair puts together what is there', () => inFolder(async dataDir => {
    const folder = await filled(dataDir)
    for (const lose of [async () => rm(join(folder, 'CURRENT')), async () => writeFile(join(folder, 'CURRENT'), 'garbage'), async () => truncate(await fileIn(folder, '').then(async () => join(folder, (await readdir(folder)).find(file => file.startsWith('MANIFEST')) ?? '')), 20)]) {
      await lose()
      expect(await failureOf(fileDatabase({ dataDir }).open())).to.be.instanceOf(StoreError).and.include({ code: 'damaged' })
      expect((await checkStore(dataDir)).problems).to.have.length(1)
      expect((await repairStore(dataDir)).lost).to.include({ what: 'table' })
      const { db, opened } = await open(dataDir)
      expect(opened.stats.canonical).to.equal(20)
      await db.close()
    }
  }))

  it('say where there is no store, and while the node runs', () => inFolder(async dataDir => {
    expect(await failureOf(checkStore(join(dataDir, 'nowhere')))).to.include({ code: 'io' })
    expect(await readdir(dataDir)).to.deep.equal([])
    const { db } = await open(dataDir)
    expect(await failureOf(checkStore(dataDir))).to.include({ code: 'locked', value: process.pid })
    expect(await failureOf(repairStore(dataDir))).to.include({ code: 'locked' })
    await db.close()
  }))
})

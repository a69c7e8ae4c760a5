import { cp, mkdir, readFile, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { expect } from 'chai'
import type { Discarded, Opened } from '../../src/actors/store/database.js'
import { fileDatabase } from '../../src/actors/store/file-database.js'
import { healing } from '../../src/actors/store/healing.js'
import { selfAsHolder, takeLock } from '../../src/actors/store/lock.js'
import { Witness } from '../../src/actors/store/witness.js'
import { NOW, clock, OPEN_WINDOW, own, open, fileIn, filled, flip, raw, damage } from './damaging.js'
import { blocks, commitment, failureOf, hashOf, inFolder, signerOf } from './fixtures.js'

describe('H53 one data directory is opened once', () => {
  it('whatever it is called: by a link, from elsewhere, with detours', () => inFolder(async folder => {
    const dataDir = join(folder, 'data')
    await mkdir(dataDir)
    await symlink(dataDir, join(folder, 'link'))
    await symlink(folder, join(folder, 'up'))
    const names = [dataDir, join(folder, 'link'), join(folder, 'up', 'data'), `${folder}/x/../data/`, relative(process.cwd(), dataDir)]
    await mkdir(join(folder, 'x'))
    for (const first of names) {
      for (const second of names) {
        const databases = [fileDatabase({ dataDir: first }), fileDatabase({ dataDir: second })]
        const outcomes = await Promise.allSettled(databases.map(db => db.open()))
        expect(outcomes.filter(({ status }) => status === 'fulfilled'), `${first} ${second}`).to.have.length(1)
        for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).to.include({ code: 'locked', value: process.pid })
        await Promise.all(databases.map(db => db.close()))
      }
    }
  }))

  it('where the lock file cannot tell, since another machine left it, the database\'s own lock does: by the real path', () => inFolder(async folder => {
    const dataDir = join(folder, 'data')
    await mkdir(dataDir)
    await symlink(dataDir, join(folder, 'link'))
    for (let times = 0; times < 5; times++) {
      await writeFile(join(dataDir, 'lock'), JSON.stringify({ pid: 1, host: 'elsewhere', token: 'gone' }))
      const databases = [dataDir, join(folder, 'link')].map(name => fileDatabase({ dataDir: name }))
      const outcomes = await Promise.allSettled(databases.map(db => db.open()))
      expect(outcomes.map(({ status }) => status).sort()).to.deep.equal(['fulfilled', 'rejected'])
      await Promise.all(databases.map(db => db.close()))
    }
  }))

  it('where the database\'s own lock cannot tell, as with a directory that is mounted twice, the lock file lets one in', () => inFolder(async dataDir => {
    for (const before of [undefined, { pid: process.pid, started: '1', boot: 'another', host: (await selfAsHolder('x')).host, token: 'gone' }, 'cut sho']) {
      if (before !== undefined) await writeFile(join(dataDir, 'lock'), typeof before === 'string' ? before : JSON.stringify(before))
      const outcomes = await Promise.allSettled(Array.from({ length: 12 }, async (_, at) => takeLock(dataDir, await selfAsHolder(`opener ${at}`))))
      expect(outcomes.filter(({ status }) => status === 'fulfilled'), JSON.stringify(before)).to.have.length(1)
      for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).to.include({ code: 'locked' })
      expect((await readdir(dataDir)).filter(file => file.startsWith('lock')), 'nothing is left beside it').to.deep.equal(['lock'])
      await rm(join(dataDir, 'lock'))
    }
  }))
})

describe('H61 a first start that was cut short', () => {
  for (const [what, leave] of Object.entries<(folder: string) => Promise<void>>({
    'with a database and nothing in it': async folder => raw(folder, async () => undefined),
    'before there was a database': async folder => { for (const file of ['LOCK', 'LOG']) await writeFile(join(folder, file), '') },
    'with a manifest that nothing names': async folder => { await writeFile(join(folder, 'MANIFEST-000001'), 'x'); await writeFile(join(folder, '000001.dbtmp'), 'MANIFEST-000001\n') },
  })) {
    it(`${what} leaves a directory that opens, is new, and keeps what it is given`, () => inFolder(async dataDir => {
      await mkdir(join(dataDir, 'store'))
      await leave(join(dataDir, 'store'))
      const { db, opened } = await open(dataDir)
      expect(opened).to.include({ created: true, loss: undefined })
      await db.commit({ commitments: blocks(1n, 1) })
      await db.close()
      const again = await open(dataDir)
      expect(again.opened).to.include({ created: false, loss: undefined })
      expect(again.opened.stats.canonical).to.equal(1)
      await again.db.close()
      expect(await failureOf(fileDatabase({ dataDir, chainId: 8n }).open())).to.include({ code: 'foreign' })
    }))
  }
})

describe('H78 what lies beside the database and is not of it', () => {
  const names = ['.nfs000000000a1b2c3d00000001', '.DS_Store', 'desktop.ini', '.000005.ldb.Xy12Zq', 'lost+found', 'notes.txt']
  it('is left alone and told; where there is a database, its own record decides', () => inFolder(async dataDir => {
    const folder = await filled(dataDir)
    for (const name of names) await (name === 'lost+found' ? mkdir(join(folder, name)) : writeFile(join(folder, name), 'x'))
    const { db, opened } = await open(dataDir)
    expect([...opened.unknownFiles].sort()).to.deep.equal([...names].sort())
    expect(opened.stats.canonical).to.equal(20)
    await db.close()
    expect(await readdir(folder)).to.include.members(names)
  }))

  it('is refused where a new database would be made among another\'s files; what systems leave anywhere is no file of another', () => inFolder(async dataDir => {
    const folder = join(dataDir, 'store')
    await mkdir(join(folder, 'lost+found'), { recursive: true })
    await writeFile(join(folder, '.DS_Store'), 'x')
    await writeFile(join(folder, 'data.mdb'), 'x')
    expect(await failureOf(fileDatabase({ dataDir }).open())).to.include({ code: 'foreign', value: 'data.mdb' })
    await rm(join(folder, 'data.mdb'))
    const { db, opened } = await open(dataDir)
    expect(opened.created).to.equal(true)
    await db.close()
  }))
})

describe('H47 what readers were told before', () => {
  it('is known in every later opening, and not in an older copy that goes on, whatever it has counted since', () => inFolder(async folder => {
    const [dataDir, copy] = [join(folder, 'data'), join(folder, 'copy')]
    await filled(dataDir)
    const told = async (dir: string, rewindTo?: bigint): Promise<readonly [store: string, number: number]> => {
      const { db } = await open(dir)
      if (rewindTo !== undefined) await db.commit({ rewindTo })
      const { store, last } = await db.rewinds(0)
      await db.close()
      return [store, last]
    }
    const knows = async (dir: string, [store, number]: readonly [string, number]): Promise<boolean> => {
      const { db } = await open(dir)
      const { known } = await db.rewinds(number, store)
      await db.close()
      return known
    }
    const before = await told(dataDir, 15n)
    await cp(dataDir, copy, { recursive: true })
    const after = await told(dataDir)
    const later = await told(dataDir, 10n)
    expect([before[1], after[1], later[1]]).to.deep.equal([1, 1, 2])
    for (const each of [before, after, later]) expect(await knows(dataDir, each)).to.equal(true)
    expect(await knows(dataDir, [before[0], 2]), 'more than had been counted then').to.equal(false)
    await told(copy, 9n)
    expect(await knows(copy, before)).to.equal(true)
    expect(await knows(copy, after), 'the same number, in a name that the copy does not have').to.equal(false)
    expect(await knows(copy, later)).to.equal(false)
  }))
})

describe('H60 H79 what was said to be stored is missing', () => {
  /** Told once; nothing is signed for windows that may have been open, now and later; later windows are free. */
  async function closes(dataDir: string, what: string): Promise<Opened> {
    const { db, opened } = await open(dataDir)
    expect(opened.loss).to.deep.equal({ what, at: NOW, closedUpTo: BigInt(NOW / 1_000 + 3_600) })
    const refused = { recorded: false, conflict: undefined, closedUpTo: BigInt(NOW / 1_000 + 3_600) }
    expect(await db.recordSigned(own(900n))).to.deep.equal(refused)
    await db.close()
    const again = await open(dataDir)
    expect(again.opened.loss, 'told once').to.equal(undefined)
    expect(again.opened.stats.signing.loss).to.include({ what })
    expect(await again.db.recordSigned(own(900n)), 'after a restart').to.deep.equal(refused)
    expect(await again.db.recordSigned(commitment({ height: 900n, window: BigInt(NOW / 1_000 + 3_601) }))).to.deep.equal({ recorded: true })
    await again.db.close()
    return opened
  }

  it('nothing is told of a store that was left in order, or whose process was killed', () => inFolder(async dataDir => {
    await filled(dataDir)
    const { db, opened } = await open(dataDir)
    expect(opened.loss).to.equal(undefined)
    await db.commit({ commitments: blocks(21n, 1) })
    const copy = `${dataDir}-copy`
    await cp(dataDir, copy, { recursive: true, filter: name => !name.endsWith('/LOCK') && !name.endsWith('/lock') })
    await db.close()
    const killed = await open(copy)
    expect(killed.opened.loss).to.equal(undefined)
    await killed.db.close()
    await rm(copy, { recursive: true })
  }))

  it('a byte of the log is another', () => inFolder(async dataDir => { await flip(await fileIn(await filled(dataDir), '.log'), length => Math.floor(length / 2)); await closes(dataDir, 'log') }))

  it('the second half of the log is zeros', () => inFolder(async dataDir => {
    const path = await fileIn(await filled(dataDir), '.log')
    const bytes = await readFile(path)
    await writeFile(path, bytes.fill(0, Math.floor(bytes.length / 2)))
    const { db, opened } = await open(dataDir)
    expect(opened.loss).to.not.equal(undefined)
    expect(await db.recordSigned(own(900n))).to.include({ recorded: false })
    await db.close()
  }))

  for (const [what, lose] of Object.entries<(path: string, length: number) => Promise<void>>({
    'ends early, in the middle of a record': async (path, length) => truncate(path, Math.floor(length * 0.6)),
    'is empty': async path => truncate(path, 0),
    'is gone': async path => rm(path),
  })) {
    it(`the log ${what}: LevelDB says nothing of it`, () => inFolder(async dataDir => {
      const path = await fileIn(await filled(dataDir), '.log')
      await lose(path, (await readFile(path)).length)
      await closes(dataDir, 'acknowledged')
    }))
  }

  it('an older copy of the store was put back', () => inFolder(async dataDir => {
    const folder = await filled(dataDir, 10n)
    await cp(folder, `${folder}-backup`, { recursive: true })
    const { db } = await open(dataDir)
    await db.commit({ signed: [own(11n)] })
    await db.close()
    await rm(folder, { recursive: true })
    await cp(`${folder}-backup`, folder, { recursive: true })
    await closes(dataDir, 'acknowledged')
  }))

  it('the store is gone, and what stood beside it is not', () => inFolder(async dataDir => {
    await rm(await filled(dataDir), { recursive: true })
    await closes(dataDir, 'acknowledged')
  }))

  for (const [what, lose] of Object.entries<(path: string) => Promise<void>>({
    'is gone': async path => rm(path),
    'has a byte that is another': async path => flip(path, length => Math.floor(length / 3)),
    'has many': async path => { for (let part = 1; part < 40; part++) await flip(path, length => Math.floor(length * part / 41)) },
    'is cut short': async path => truncate(path, 4_000),
  })) {
    it(`a table ${what}: what is left is put together, nothing is deleted`, () => inFolder(async dataDir => {
      const folder = await filled(dataDir)
      // Into a table, and something new into the log.
      const { db } = await open(dataDir)
      await db.commit({ commitments: [own(21n)] })
      await db.close()
      const table = await fileIn(folder, '.ldb')
      await lose(table)
      const { stats } = await closes(dataDir, 'table')
      expect(stats.commitments).to.equal(1)
      if (what !== 'is gone') expect(await readdir(join(folder, 'lost'))).to.include(table.slice(folder.length + 1))
    }))
  }

  it('a record of what we signed is damaged: it goes, and its window with all that were open', () => inFolder(async dataDir => {
    expect(await damage(await filled(dataDir), 'o', index => index === 3)).to.equal(1)
    const { db, opened } = await open(dataDir)
    expect(opened.loss).to.equal(undefined)
    const told: Discarded[] = []
    const healed = healing(db, discarded => { told.push(...discarded) })
    expect(await healed.ownSigned(signerOf(1), OPEN_WINDOW)).to.have.length(19)
    expect(told.map(({ kind }) => kind)).to.deep.equal(['signed'])
    expect((await db.stats()).signing.loss).to.deep.equal({ what: 'signed', at: NOW, closedUpTo: BigInt(NOW / 1_000 + 3_600) })
    expect(await db.recordSigned(own(900n))).to.include({ recorded: false })
    await db.close()
  }))

  it('up to where nothing is signed cannot be read: as after any loss', () => inFolder(async dataDir => {
    const folder = await filled(dataDir)
    const { db } = await open(dataDir)
    await db.commit({ forgetSigned: OPEN_WINDOW })
    await db.close()
    await raw(folder, async level => level.put(Buffer.from('asigning'), Buffer.from('{"closedUpTo":"18')))
    await closes(dataDir, 'signed')
  }))
})

describe('H60 what is damaged and can be had again', () => {
  it('a txlist is dropped and told, and missed', () => inFolder(async dataDir => {
    expect(await damage(await filled(dataDir), 't', index => index === 2)).to.equal(1)
    const { db } = await open(dataDir)
    const told: Discarded[] = []
    const healed = healing(db, discarded => { told.push(...discarded) })
    expect(await healed.txList(hashOf('t', '3'))).to.equal(undefined)
    expect(told).to.deep.equal([{ kind: 'txList', hash: hashOf('t', '3'), blockNumber: 3n }])
    expect(await healed.hasTxLists([hashOf('t', '3'), hashOf('t', '4')])).to.deep.equal([false, true])
    await healed.commit({ txLists: [{ hash: hashOf('t', '3'), bytes: new Uint8Array(300).fill(3), blockNumber: 3n }] })
    expect(await healed.txList(hashOf('t', '3'))).to.deep.equal(new Uint8Array(300).fill(3))
    await db.close()
  }))

  it('a block of what chain resumes with is dropped and told, and what stood on it waits for it', () => inFolder(async dataDir => {
    expect(await damage(await filled(dataDir), 'c', index => index === 14)).to.equal(1)
    const { db } = await open(dataDir)
    const told: Discarded[] = []
    const healed = healing(db, discarded => { told.push(...discarded) })
    expect([...await healed.tail(100)].map(({ blockNumber }) => blockNumber)).to.deep.equal(Array.from({ length: 14 }, (_, at) => BigInt(at + 1)))
    expect([...await healed.beside(100)].filter(({ standing }) => standing === 'pending').map(({ blockNumber }) => blockNumber)).to.deep.equal([16n, 17n, 18n, 19n, 20n])
    expect(told).to.deep.equal([{ kind: 'commitment', hash: undefined, blockNumber: 15n }])
    await healed.commit({ commitments: Array.from({ length: 6 }, (_, at) => own(15n + BigInt(at))) })
    expect((await healed.tail(100)).length).to.equal(20)
    expect((await healed.stats()).commitments).to.equal(20)
    await db.close()
  }))

  it('a block far below is passed over, and told', () => inFolder(async dataDir => {
    expect(await damage(await filled(dataDir), 'c', index => index === 4)).to.equal(1)
    const { db } = await open(dataDir)
    const told: Discarded[] = []
    const healed = healing(db, discarded => { told.push(...discarded) })
    expect((await healed.canonicalRange(1n, 20)).length).to.equal(19 * 382)
    expect((await healed.scan(1n, 100)).length).to.equal(19)
    expect(told).to.have.length(1)
    await db.close()
  }))

  it('writing goes on over damaged records: a rewind, an eviction, a block in the place of another', () => inFolder(async dataDir => {
    await damage(await filled(dataDir), 'c', index => index === 3 || index === 17 || index === 19)
    const db = fileDatabase({ dataDir, chainId: 7n, clock, limits: { commitments: 10 } })
    await db.open()
    const told = await db.commit({ commitments: [own(20n, 1)], rewindTo: 16n })
    expect(told.map(({ kind, blockNumber }) => [kind, blockNumber])).to.deep.equal([['commitment', 18n], ['commitment', 20n]])
    await db.commit({ commitments: [own(17n, 1)] })
    expect([...await db.scan(0n, 100)].map(({ blockNumber }) => blockNumber)).to.include.members([17n, 20n])
    await db.close()
  }))

  it('evidence, tip and head that cannot be read do not stop anybody', () => inFolder(async dataDir => {
    const folder = await filled(dataDir)
    const { db } = await open(dataDir)
    const put = { kind: 'equivocation', reason: 'two', signer: signerOf(1), blockNumber: 5n, submissionWindowEnd: 7n, messages: [own(5n).ssz, own(5n, 1).ssz], seenAt: 1 } as const
    await db.commit({ evidence: [put, { ...put, reason: 'other' }], confirmedTip: { blockNumber: 4n }, headOverride: { blockNumber: 4n, submissionWindowEnd: 9n } })
    await db.close()
    await raw(folder, async level => {
      await level.put(Buffer.from('aconfirmedTip'), Buffer.from('{"blockNumber":"x"}'))
      await level.put(Buffer.from('aheadOverride'), Buffer.from('{'))
      const [[key]] = await level.iterator({ gte: Buffer.from('e'), lt: Buffer.from('f'), limit: 1 }).all() as [[Buffer, Buffer]]
      await level.put(key, Buffer.from('{"kind":'))
    })
    const again = await open(dataDir)
    expect(again.opened).to.include({ confirmedTip: undefined, headOverride: undefined })
    expect(again.opened.discarded.map(({ kind }) => kind).sort()).to.deep.equal(['confirmedTip', 'headOverride'])
    expect(await healing(again.db, () => undefined).evidence(0, 9)).to.have.length(1)
    await again.db.close()
  }))

  it('counters, and the record that says what the database is, are made anew', () => inFolder(async dataDir => {
    const folder = await filled(dataDir)
    for (const [key, damaged] of [['k', '{"canonical":21}'], ['k', 'x'], ['k', '{"canonical":19,"crc":7}'], ['s', '{"name":'], ['k', undefined]] as const) {
      await raw(folder, async level => { await (damaged === undefined ? level.del(Buffer.from(key)) : level.put(Buffer.from(key), Buffer.from(damaged))) })
      const { db, opened } = await open(dataDir)
      expect(opened.stats, `${key} ${damaged}`).to.include({ commitments: 20, canonical: 20, txLists: 20, referencedBytes: 6_000, highest: 20n })
      await db.commit({ txLists: [{ hash: hashOf('more', String(damaged)), bytes: new Uint8Array(3), blockNumber: 900n }] })
      expect(await db.txList(hashOf('t', '20')), 'no txlist is written over another').to.deep.equal(new Uint8Array(300).fill(20))
      await db.commit({ forgetTxLists: [hashOf('more', String(damaged))] })
      await db.close()
    }
  }))

  it('a block that is gone from the middle with a loss is missed: what is above it waits', () => inFolder(async dataDir => {
    const folder = await filled(dataDir)
    await raw(folder, async level => { for await (const key of level.keys({ gte: Buffer.from('c'), lt: Buffer.from('d') })) if (key[2] === 9) await level.del(key) })
    const witness = await Witness.open(dataDir)
    witness.write((witness.commits ?? 0) + 1)
    witness.close()
    const { db, opened } = await open(dataDir)
    expect(opened.loss).to.include({ what: 'acknowledged' })
    expect(opened.discarded).to.deep.equal([{ kind: 'commitment', hash: undefined, blockNumber: 9n }])
    expect(opened.stats.highest).to.equal(8n)
    expect([...await db.beside(100)].filter(({ standing }) => standing === 'pending').map(({ blockNumber }) => blockNumber)).to.deep.equal(Array.from({ length: 11 }, (_, at) => BigInt(at + 10)))
    await db.close()
  }))
})

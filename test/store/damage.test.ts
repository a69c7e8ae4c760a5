import { mkdir, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { expect } from 'chai'
import { fileDatabase } from '../../src/actors/store/file-database.js'
import { blocks, failureOf, hashOf, inFolder } from './fixtures.js'

/** A directory with a database of some blocks and txlists, in tables as well as in the log. */
async function filled(dataDir: string): Promise<string> {
  const db = fileDatabase({ dataDir, chainId: 7n })
  await db.open()
  for (let height = 1n; height < 1_000n; height += 100n) await db.commit({ commitments: blocks(height, 100) })
  await db.commit({ txLists: [{ hash: hashOf('t'), bytes: new Uint8Array(20_000).fill(5), blockNumber: 3n }] })
  await db.close()
  const again = fileDatabase({ dataDir })
  await again.open()
  await again.close()
  return join(dataDir, 'store')
}

async function refuses(dataDir: string, expected: object): Promise<void> {
  const db = fileDatabase({ dataDir, chainId: 7n })
  expect(await failureOf(db.open())).to.include({ name: 'StoreError', ...expected })
  await db.close()
}

async function raw(folder: string, work: (level: ClassicLevel<string, string>) => Promise<void>): Promise<void> {
  const level = new ClassicLevel<string, string>(folder)
  await level.open()
  await work(level)
  await level.close()
}

describe('a data directory that is not as we left it', () => {
  it('of a newer schema is refused, with both versions in the error', () => inFolder(async dataDir => {
    await raw(await filled(dataDir), level => level.put('s', JSON.stringify({ name: 'preconfirmation-p2p', schema: 9 })))
    await refuses(dataDir, { code: 'schema_newer', value: 9, limit: 2 })
  }))

  it('of another chain or another program is refused, and not touched', () => inFolder(async dataDir => {
    const folder = await filled(dataDir)
    expect(await failureOf(fileDatabase({ dataDir, chainId: 8n }).open())).to.include({ code: 'foreign', value: '7' })
    await raw(folder, level => level.put('s', JSON.stringify({ name: 'another', schema: 1 })))
    await refuses(dataDir, { code: 'foreign', value: 'another' })
    await raw(folder, level => level.del('s'))
    await refuses(dataDir, { code: 'foreign' })
    await rm(folder, { recursive: true })
    await mkdir(folder)
    await writeFile(join(folder, 'data.mdb'), 'x')
    await refuses(dataDir, { code: 'foreign', value: 'data.mdb' })
    expect((await readdir(folder)).includes('data.mdb')).to.equal(true)
  }))

  it('H33: damaged: a typed error, and what is left is not deleted', () => inFolder(async dataDir => {
    const folder = await filled(dataDir)
    const files = await readdir(folder)
    const manifest = files.find(file => file.startsWith('MANIFEST')) ?? ''
    const keep = await readFile(join(folder, 'CURRENT'))
    await rm(join(folder, 'CURRENT'))
    await refuses(dataDir, { code: 'damaged', value: 'CURRENT' })
    await writeFile(join(folder, 'CURRENT'), 'MANIFEST-999999\n')
    await refuses(dataDir, { code: 'damaged' })
    await writeFile(join(folder, 'CURRENT'), 'garbage')
    await refuses(dataDir, { code: 'damaged' })
    await writeFile(join(folder, 'CURRENT'), keep)
    await truncate(join(folder, manifest), 20)
    await refuses(dataDir, { code: 'damaged' })
  }))


  it('bytes lost from the log are counted, not passed over in silence', () => inFolder(async dataDir => {
    const db = fileDatabase({ dataDir })
    await db.open()
    for (let height = 1n; height <= 50n; height++) await db.commit({ commitments: blocks(height, 1) })
    const folder = join(dataDir, 'store')
    const log = (await readdir(folder)).find(file => file.endsWith('.log')) ?? ''
    const copy = join(dataDir, 'copy')
    await mkdir(join(copy, 'store'), { recursive: true })
    for (const file of (await readdir(folder)).filter(name => name !== 'LOCK')) {
      await writeFile(join(copy, 'store', file), await readFile(join(folder, file)))
    }
    await db.close()
    const bytes = await readFile(join(copy, 'store', log))
    bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 1
    await writeFile(join(copy, 'store', log), bytes)
    const damaged = fileDatabase({ dataDir: copy })
    const opened = await damaged.open()
    expect(opened.droppedBytes).to.be.greaterThan(0)
    expect(opened.stats.canonical).to.be.at.most(50)
    await damaged.close()
  }))
})

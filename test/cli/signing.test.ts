import { readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { fileDatabase } from '../../src/actors/store/file-database.js'
import { fromHex } from '../../src/protocol/index.js'
import { commitment, inFolder } from '../store/fixtures.js'
import { ran } from './process.js'

const WINDOW = 1_800_000_000n
const own = (height: bigint, variant = 0, handover = false) => commitment({ height, variant, window: WINDOW, handover })

async function withRecords(dataDir: string, records: readonly ReturnType<typeof own>[], closedUpTo?: bigint): Promise<void> {
  const db = fileDatabase({ dataDir, chainId: 7n })
  await db.open()
  await db.commit({ signed: records })
  if (closedUpTo !== undefined) await db.closeSigning(closedUpTo)
  await db.close()
}

async function recorded(dataDir: string, record: ReturnType<typeof own>): Promise<boolean> {
  const db = fileDatabase({ dataDir, chainId: 7n })
  await db.open()
  const outcome = await db.recordSigned(record)
  await db.close()
  return outcome.recorded
}

describe('cli: signing', function () {

  it('moves what was signed to another machine: what conflicts with it is refused there, marks included', () => inFolder(async folder => {
    const [from, to, file] = [join(folder, 'from'), join(folder, 'to'), join(folder, 'records.json')]
    await withRecords(from, [own(1n), own(2n), own(3n, 0, true), { ...own(4n), ssz: own(4n).ssz.slice(0, 317) }], WINDOW - 384n)
    expect(await ran(['signing', 'export', from, '--to', file])).to.deep.equal({ code: 0, out: '', err: '' })
    expect((await stat(file)).mode & 0o777).to.equal(0o600)
    expect((await ran(['signing', 'export', from])).out).to.equal(await readFile(file, 'utf8'))
    expect((await ran(['signing', 'export', from, '--to', file])).code, 'overwrites nothing').to.equal(1)
    expect(await ran(['signing', 'import', to, '--from', file])).to.deep.equal({ code: 0, out: '4 records, 4 of them new\n', err: '' })
    expect(await ran(['signing', 'import', to], await readFile(file, 'utf8')), 'again changes nothing').to.deep.equal({ code: 0, out: '4 records, 0 of them new\n', err: '' })
    expect((await ran(['signing', 'export', to])).out).to.equal(await readFile(file, 'utf8'))
    expect(await recorded(to, own(2n, 1))).to.equal(false)
    expect(await recorded(to, own(4n))).to.equal(true)
    expect(await recorded(to, own(5n))).to.equal(true)
    expect(await recorded(to, commitment({ height: 9n, window: WINDOW - 384n })), 'closed there, closed here').to.equal(false)
  }))

  it('an import only ever forbids more', () => inFolder(async folder => {
    const [from, to, file] = [join(folder, 'from'), join(folder, 'to'), join(folder, 'records.json')]
    await withRecords(from, [own(1n, 1), own(2n)])
    await withRecords(to, [own(1n), own(3n)], WINDOW - 1n)
    await ran(['signing', 'export', from, '--to', file])
    const imported = await ran(['signing', 'import', to, '--from', file])
    expect(imported).to.include({ code: 0, out: '2 records, 2 of them new\n' })
    expect(imported.err).to.match(/^0x0101010101010101010101010101010101010101 has signed two commitments for height 1 of the window that ends at 1800000000/)
    for (const [height, variant] of [[1n, 2], [2n, 1], [3n, 1]] as const) expect(await recorded(to, own(height, variant)), `${height}`).to.equal(false)
    const file2 = JSON.parse((await ran(['signing', 'export', to])).out) as { closedUpTo: string; signers: { address: string; signed: { ssz: string }[] }[] }
    expect(file2.closedUpTo).to.equal(String(WINDOW - 1n))
    expect(file2.signers.flatMap(({ signed }) => signed).map(({ ssz }) => Buffer.from(fromHex(ssz)).toString('hex')))
      .to.have.members([own(1n), own(1n, 1), own(2n), own(3n)].map(({ ssz }) => Buffer.from(ssz).toString('hex')))
  }))

  it('refuses another chain, another form, and what contradicts itself; then nothing is written', () => inFolder(async folder => {
    const [from, to] = [join(folder, 'from'), join(folder, 'to')]
    await withRecords(from, [own(1n), own(2n)])
    const good = (await ran(['signing', 'export', from])).out
    const changed = (change: (file: Record<string, unknown> & { signers: { address: string; signed: Record<string, unknown>[] }[] }) => void): string => {
      const file = JSON.parse(good) as Parameters<typeof change>[0]
      change(file)
      return JSON.stringify(file)
    }
    await withRecords(to, [])
    for (const [what, input] of Object.entries({
      '"invalid"': changed(file => { file['version'] = 2 }), format: changed(file => { file['format'] = 'EIP-3076' }),
      'signers[0].address': changed(file => { file.signers[0]!.address = '0x12' }),
      'signers[0].signed[1].ssz': changed(file => { file.signers[0]!.signed[1]!['ssz'] = '0x00' }),
      'signers[0].signed[1].blockNumber': changed(file => { file.signers[0]!.signed[1]!['blockNumber'] = '9' }),
      'signers[0].signed[0].kind': changed(file => { file.signers[0]!.signed[0]!['kind'] = 'handover' }),
      closedUpTo: changed(file => { file['closedUpTo'] = -1 }), chainId: changed(file => { file['chainId'] = 7 }), signers: changed(file => { file.signers = {} as never }),
      'no JSON': good.slice(0, 100),
    })) {
      const refused = await ran(['signing', 'import', to], input)
      expect(refused.code, what).to.be.oneOf([1, 2])
      if (what !== '"invalid"') expect(refused.err).to.include(what)
    }
    const other = await ran(['signing', 'import', to], changed(file => { file['chainId'] = '8' }))
    expect(other.code).to.equal(1)
    expect(other.err).to.include('(foreign)')
    expect(JSON.parse((await ran(['signing', 'export', to])).out)).to.deep.include({ signers: [], chainId: '7' })
  }))

  it('makes the directory of a new machine, and says where there is none to export, and while the node runs', () => inFolder(async folder => {
    const [from, to] = [join(folder, 'from'), join(folder, 'a', 'to')]
    await withRecords(from, [own(1n)])
    const { out } = await ran(['signing', 'export', from])
    expect((await ran(['signing', 'import', to], out)).code).to.equal(0)
    expect(await recorded(to, own(1n, 1))).to.equal(false)
    expect((await ran(['signing', 'export', join(folder, 'none')])).err).to.include('it has no store (io)')
    expect(await readdir(folder)).to.not.include('none')
    const db = fileDatabase({ dataDir: from })
    await db.open()
    expect((await ran(['signing', 'export', from])).err).to.include('(locked)')
    expect((await ran(['signing', 'import', from], out)).err).to.include('(locked)')
    await db.close()
  }))

  it('store check and repair: exit codes and words', () => inFolder(async dataDir => {
    await withRecords(dataDir, [own(1n), own(2n)])
    expect(await ran(['store', 'check', dataDir])).to.deep.equal({ code: 0, out: 'the store is as it was written\n', err: '' })
    expect(await ran(['store', 'repair', dataDir])).to.deep.equal({ code: 0, out: 'there was nothing to repair\n', err: '' })
    const log = join(dataDir, 'store', (await readdir(join(dataDir, 'store'))).find(file => file.endsWith('.log')) ?? '')
    // The last opening has put all into a table.
    const table = join(dataDir, 'store', (await readdir(join(dataDir, 'store'))).find(file => file.endsWith('.ldb')) ?? log)
    const bytes = await readFile(table)
    bytes[10] = (bytes[10] ?? 0) ^ 1
    await writeFile(table, bytes)
    const checked = await ran(['store', 'check', dataDir])
    expect(checked.code).to.equal(1)
    expect(checked.out).to.match(/\.ldb: a part of it is not what was written\n1 problems/)
    const repaired = await ran(['store', 'repair', dataDir])
    expect(repaired.code).to.equal(0)
    expect(repaired.out).to.include('nothing is signed for windows that end at')
    expect((await ran(['store', 'check', dataDir])).code).to.equal(0)
    expect((await ran(['store', 'check', join(dataDir, 'none')])).code).to.equal(1)
  }))

  it('helps', async () => {
    for (const [args, words] of [[['signing', '--help'], ['export', 'import', 'docs/signing.md']], [['store', '--help'], ['check', 'repair', 'docs/operating-store.md']]] as const) {
      const { code, out } = await ran(args)
      expect(code).to.equal(0)
      for (const word of words) expect(out).to.include(word)
    }
    expect((await ran(['signing', 'export'])).code).to.equal(2)
  })
})

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { expect } from 'chai'
import { fileDatabase } from '../../src/actors/store/file-database.js'
import { FakeStore, house, shown } from '../chain/harness.js'
import { ALICE, BOB, build, chainOf } from '../support/chain-builder.js'
import { inFolder } from './fixtures.js'

/** As that version's test builder had it. */
const WINDOW = 1_800_000_384n
const LATER = WINDOW + 384n
const MADE_BY_SCHEMA_1 = new URL('../../../test/store/fixtures/schema-1.json', import.meta.url)

async function ofSchema1(dataDir: string): Promise<void> {
  const level = new ClassicLevel<string, string>(join(dataDir, 'store'), { keyEncoding: 'hex', valueEncoding: 'hex' })
  await level.open()
  const entries = JSON.parse(await readFile(MADE_BY_SCHEMA_1, 'utf8')) as [string, string][]
  await level.batch(entries.map(([key, value]) => ({ type: 'put' as const, key, value })))
  await level.close()
}

describe('a data directory of schema 1', () => {
  it('is opened, says so once, and the chain goes on as it was', () => inFolder(async dataDir => {
    await ofSchema1(dataDir)
    const first = fileDatabase({ dataDir, chainId: 167_000n })
    expect(await first.open()).to.deep.include({ schema: 2, migratedFrom: 1, created: false })
    const { store } = await first.rewinds(0)
    expect(store).to.match(/^[0-9a-f]{16}$/)
    await first.close()

    const database = fileDatabase({ dataDir, chainId: 167_000n })
    expect(await database.open()).to.deep.include({ schema: 2, migratedFrom: undefined })
    const now = await database.rewinds(0, store)
    expect(now, 'what was told at an earlier opening').to.deep.equal({ store: now.store, last: 0, to: undefined, known: true })
    const base = chainOf(100, 102, { window: WINDOW })
    const lost = build({ number: 103, parent: base[2]!, handoverOnly: true, window: WINDOW })
    const adopted = build({ number: 103, parent: lost, signer: BOB, window: LATER })
    const rest = chainOf(104, 107, { parent: adopted, signer: BOB, window: LATER })
    expect((await database.chainRecord()).gaps).to.deep.equal([{ blockNumber: 103n, hash: adopted.hash }])

    const h = await house({ store: new FakeStore(database), schedule: () => ({ signers: [ALICE, BOB] }) })
    expect(await h.standing()).to.deep.include({ next: 106n, pendingParents: 1, confirmedTip: { blockNumber: 99n, preconfirmationHash: new Uint8Array(32) } })
    expect(await h.canonical()).to.deep.equal(shown([...base, adopted, ...rest.slice(0, 2)]))
    expect(await h.gossip(rest[2]!)).to.equal('ignore')
    expect(h.reason()).to.equal('demoted')
    void h.chain.serveHead(1)
    await h.kit.settle()
    expect(h.answers.expect('answer', { request: 1 }).body[0], 'a head out of reach is none').to.equal(105)
    const reinstated = h.chain.reinstate(rest[2]!.hash, 1_000)
    await h.kit.settle()
    await reinstated
    expect(await h.canonical()).to.deep.equal(shown([...base, adopted, ...rest.slice(0, 3)]))
    expect((await database.stats()).commitments, 'without the height and the window that are out of reach').to.equal(9)
    await h.kit.stop()
    await database.close()
  }))
})

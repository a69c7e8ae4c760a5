import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Tally } from './campaign.js'
import { campaign } from './crash.js'
import { killUnsteady } from './crash/unsteady.js'

describe('campaign: crash, a sample', function () {
  this.timeout(300_000)

  it('H23: kill −9 while it publishes and follows the stream: all that was reported stored is there, the stream goes on behind its cursor', async () => {
    const lines: string[] = []
    const tally = await campaign.run({ seed: 1, options: { kills: 4, reorgs: 0, commitments: 5_000, starts: 1, within: 5_000 }, log: line => { lines.push(line) } })
    expect(tally.failures, lines.join('\n')).to.deep.equal([])
    expect(tally.passed).to.be.greaterThan(40)
  })

  it('H47 H55 H79 kill −9 while it reorganizes, and a backup put back: what was folded from the stream is the chain, nothing that conflicts is signed', async () => {
    const lines: string[] = []
    const tally = new Tally()
    const folder = await mkdtemp(join(tmpdir(), 'crash-'))
    await killUnsteady({ seed: 3, options: { reorgs: 6 }, log: line => { lines.push(line) } }, folder, tally)
    expect(tally.failures, lines.join('\n')).to.deep.equal([])
    expect(tally.passed).to.be.greaterThan(20)
    await rm(folder, { recursive: true })
  })
})

import { expect } from 'chai'
import { campaign } from './crash.js'

describe('campaign: crash, a sample', function () {
  this.timeout(60_000)

  it('H23: kill −9 while it publishes and follows the stream: all that was reported stored is there, the stream goes on behind its cursor', async () => {
    const lines: string[] = []
    const tally = await campaign.run({ seed: 1, options: { kills: 4, commitments: 5_000, starts: 1, within: 5_000 }, log: line => { lines.push(line) } })
    expect(tally.failures, lines.join('\n')).to.deep.equal([])
    expect(tally.passed).to.be.greaterThan(40)
  })
})

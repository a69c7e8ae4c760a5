import { expect } from 'chai'
import { Program } from '../cli/process.js'
import { until } from '../support/until.js'

type Line = Record<string, unknown> & { readonly event: string }

describe('devnet --l1', () => {
  it('four nodes follow a real L1: posts, a blacklisting, a reorg, an operator that leaves; they hold the same chain, and confirm what L1 has', async () => {
    const program = new Program(['devnet', '--l1', '--blocks', '18', '--blocks-per-second', '2', '--json'])
    // five processes and a chain: on a machine that is busy this takes minutes
    const { code } = await until(() => program.exited, 'the end of the run', 280_000, 100)
    const lines = program.stdout.map(line => JSON.parse(line) as Line)
    const of = (name: string): readonly Line[] => lines.filter(({ event }) => event === name)
    const summary = of('summary')[0]
    expect([code, summary?.['failures']], program.tail).deep.equal([0, []])
    expect(summary).deep.include({ ok: true, blocks: 18 })
    // every turn, as the nodes that followed L1 told it
    expect(of('l1Signers').map(({ as }) => as)).deep.equal(['lookahead', 'lookahead', 'lookahead', 'lookahead', 'lookahead', 'both', 'lookahead', 'fallback', 'lookahead'])
    expect(of('l1').map(({ text }) => String(text)).join('\n')).includes('bob is struck off').and.includes('a reorg').and.includes('leaves the whitelist').and.includes('the next lookahead is posted')
    expect(of('l1Signers')[5]!['text']).includes('its operator was struck off')
    // nobody honest was rejected for any of it (H05, H73)
    const { nodes } = summary as unknown as { readonly nodes: readonly { readonly name: string; readonly rejected: number }[] }
    expect(nodes.map(({ name, rejected }) => [name, rejected])).deep.equal([['alice', 0], ['bob', 0], ['fred', 0], ['lucy', 0]])
    expect(of('l1Confirmed')).lengthOf(1)
  })
})

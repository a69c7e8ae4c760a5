import { expect } from 'chai'
import { StdioNode, describeProcesses } from '../cli/process.js'
import { until } from '../support/until.js'

const SIGNER = ['--signer', `0x${'11'.repeat(20)}`, '--log-level', 'warn']

describeProcesses('run, and its peers', function () {

  it('H16: finds others by a bootnode’s ENR, by default; --no-discovery turns it off', async () => {
    const first = await StdioNode.start([...SIGNER])
    const { enr } = await first.call('enr')
    expect(enr).to.match(/^enr:/)
    const [second, third, alone] = await Promise.all([
      StdioNode.start([...SIGNER, '--bootnode', String(enr)]), StdioNode.start([...SIGNER, '--bootnode', String(enr)]),
      StdioNode.start([...SIGNER, '--no-discovery']),
    ])
    expect(await alone.call('enr')).to.deep.equal({ enr: null })
    // Second and third know only the bootnode, and find each other.
    const meets = (node: StdioNode, other: StdioNode) => until(() => node.of('peerReady').find(({ peer }) => peer === other.peerId), 'a peer that was found')
    await Promise.all([meets(second, third), meets(third, second)])
    expect((await alone.call('status'))['peers']).to.equal('0')
  })

  it('--block refuses, --scoring, --reputation, --gater and --gater-off are taken', async () => {
    const first = await StdioNode.start([...SIGNER, '--no-discovery', '--scoring', 'kona', '--reputation', 'reth', '--gater', 'open', '--gater-off', 'peerId'])
    const { address, peerId: peer } = first
    const second = await StdioNode.start([...SIGNER, '--no-discovery', '--block', peer, '--protect', peer])
    expect((await second.refusal('dial', { addr: address }))['code']).to.equal('dial_denied')
    expect(await second.call('lists')).to.deep.equal({ blocked: [peer], protected: [peer], allowed: [] })
    await second.call('unblock', { rule: peer })
    expect(await second.call('dial', { addr: address })).to.deep.equal({ peer })
    const { ban } = await second.call('ban', { peer: 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N', forMs: 60_000 })
    expect(ban).to.include({ reason: 'operator' })
    expect((await second.call('bans'))['bans']).to.have.length(1)
    expect(await second.call('liftBan', { peer: 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N' })).to.deep.equal({ found: true })
  })
})

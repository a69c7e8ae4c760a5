import { readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { multiaddr } from '@multiformats/multiaddr'
import { AGENT_NAME, AGENT_VERSION, NetworkError, hostResolver, networkConfig, newPrivateKey, peerKeyOf } from '../../src/actors/network/index.js'
import type { NetworkConfigInit } from '../../src/actors/network/index.js'

const refused = (init: NetworkConfigInit): { code: string; value: unknown } => {
  try { networkConfig(init) } catch (error) { if (error instanceof NetworkError) return { code: error.code, value: error.value } }
  throw new Error('taken')
}

describe('network: config', () => {
  it('fills in what is left out, group by group', () => {
    const config = networkConfig({ requests: { withinMs: 1 } })
    expect(config.requests.withinMs).to.equal(1)
    expect(config.requests.perWindow).to.equal(7)
    expect(config.listen).to.deep.equal(['/ip4/0.0.0.0/tcp/9000'])
    expect(config.connections).to.include({ pendingInbound: 40, pendingOutbound: 40, inbound: 110, outbound: 110, total: 220, perPeer: 4, dialConcurrency: 16 })
    expect(config.scoring.name).to.equal('spec')
    expect(networkConfig({ scoring: 'kona' }).scoring.name).to.equal('kona')
  })

  it('names this software and its version as the package does', async () => {
    const { name, version } = JSON.parse(await readFile('package.json', 'utf8')) as { name: string; version: string }
    expect([AGENT_NAME, AGENT_VERSION]).to.deep.equal([name, version])
  })

  it('refuses what cannot be, with the value', () => {
    expect(refused({ listen: 'nowhere' })).to.deep.equal({ code: 'bad_address', value: 'nowhere' })
    expect(refused({ staticPeers: ['/ip4/127.0.0.1/tcp/1'] })).to.deep.equal({ code: 'peer_id_missing', value: '/ip4/127.0.0.1/tcp/1' })
    expect(refused({ staticPeers: ['/ip4/127.0.0.1/tcp/1/p2p/QmNothing'] }).code).to.equal('bad_address')
    expect(refused({ requests: { withinMs: -1 } })).to.deep.equal({ code: 'bad_config', value: -1 })
    expect(refused({ redial: { jitter: 2 } })).to.deep.equal({ code: 'bad_config', value: 2 })
    expect(refused({ gossip: { pauseOutboundBytes: 19 * 1024 * 1024 } }).code).to.equal('bad_config')
  })
})

const OPTIONS = {} as Parameters<ReturnType<typeof hostResolver>['resolve']>[1]

describe('network: addresses', () => {
  const peer = peerKeyOf(newPrivateKey())

  it('H17: resolves host names before the gate is asked, keeping the rest of the address', async () => {
    const asked: unknown[] = []
    const resolver = hostResolver(async (host, family) => { asked.push([host, family]); return [{ address: '10.1.2.3', family: 4 }, { address: '::1', family: 6 }] })
    const resolve = async (text: string) => (await resolver.resolve(multiaddr(text), OPTIONS)).map(String)
    expect(await resolve(`/dns/node.example/tcp/9000/p2p/${peer}`)).to.deep.equal([`/ip4/10.1.2.3/tcp/9000/p2p/${peer}`, `/ip6/::1/tcp/9000/p2p/${peer}`])
    await resolve('/dns4/node.example/tcp/1')
    await resolve('/dns6/node.example/tcp/1')
    expect(asked).to.deep.equal([['node.example', 0], ['node.example', 4], ['node.example', 6]])
    expect(resolver.canResolve(multiaddr('/ip4/127.0.0.1/tcp/1'))).to.equal(false)
  })

  it('gives a name that does not resolve no address', async () => {
    const resolver = hostResolver(async () => { throw new Error('ENOTFOUND') })
    expect(await resolver.resolve(multiaddr('/dns4/nowhere.invalid/tcp/1'), OPTIONS)).to.deep.equal([])
  })

  it('H80: a static peer that no transport can dial is refused', () => {
    const peer = '/p2p/12D3KooWEhyxoc4pATtS7iJkJ8DL2AfyhPhaFBJDDNNrcf4RJwk4'
    const wrong = [
      `/ip4/127.0.0.1/udp/9000/quic-v1${peer}`, `/ip4/127.0.0.1${peer}`, `/ip4/127.0.0.1/tcp/0${peer}`, `/ip4/127.0.0.1/tcp/1/ws${peer}`, `/unix/a${peer}`, `/memory/a${peer}`,
      `/ip4/127.0.0.1/tcp/1${peer}/p2p-circuit${peer}`, `/dns4/example.org${peer}`,
    ]
    for (const address of wrong) expect(() => networkConfig({ staticPeers: [address] }), address).to.throw().that.includes({ code: 'bad_address', value: address })
    expect(() => networkConfig({ staticPeers: ['/ip4/127.0.0.1/tcp/1'] })).to.throw().that.includes({ code: 'peer_id_missing' })
    networkConfig({ staticPeers: [`/ip4/127.0.0.1/tcp/1${peer}`, `/ip6/::1/tcp/1${peer}`, `/ip6zone/eth0/ip6/fe80::1/tcp/1${peer}`, `/dns4/example.org/tcp/1${peer}`, `/dns/example.org/tcp/1${peer}`, `/dnsaddr/example.org${peer}`] })
    networkConfig({ transport: 'memory', staticPeers: [`/memory/a${peer}`] })
  })
})

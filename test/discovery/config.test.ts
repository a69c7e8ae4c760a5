import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { expect } from 'chai'
import { peerOfNetworkKey } from '../../src/actors/discovery/candidate.js'
import { DiscoveryError, discoveryConfig, recommended } from '../../src/actors/discovery/index.js'
import type { DiscoveryInit } from '../../src/actors/discovery/index.js'
import { key, own } from './room.js'

describe('options of discovery', () => {
  const base = { privateKey: key('us'), networkPublicKey: own }

  it('are those of SPEC §8 where nothing is said', () => {
    expect(recommended).to.deep.include({ listen: { ip: '0.0.0.0', port: 9001 }, lookupEvery: 20_000, lookupEveryUntilEnough: 5_000 })
    expect(discoveryConfig(base)).to.deep.include({ chainId: 167_000n, networkKey: own, peer: peerOfNetworkKey(own) })
  })

  it('name no network key where it is the ENR\'s own', async () => {
    const { raw, publicKey } = await generateKeyPair('secp256k1')
    expect(discoveryConfig({ privateKey: raw, networkPublicKey: publicKeyToProtobuf(publicKey) }).networkKey).to.equal(undefined)
  })

  it('that cannot be are refused by name, and the key is never in the error', () => {
    const bad: Array<Partial<DiscoveryInit>> = [
      { chainId: 0n }, { chainId: 2n ** 256n }, { networkPublicKey: new Uint8Array(3) }, { privateKey: new Uint8Array(32) }, { privateKey: new Uint8Array(31).fill(7) },
      { listen: { ip: 'x', port: 1 } }, { listen: { ip: '1.2.3.4', port: 65_536 } }, { external: { ip: '0.0.0.0' } }, { external: { ip: 'x' } }, { external: { ip: '::1' } },
      { external: { ip: '1.2.3.4', udp: 0 } }, { external: { ip: '1.2.3.4', tcp: 1.5 } }, { lookupEvery: 0 }, { lookupEveryUntilEnough: NaN }, { dialsAtOnce: 0 }, { enoughPeers: 201 },
      { votes: { share: 0.5 } }, { votes: { voters: 0 } }, { retry: { jitter: 2 } }, { retry: { factor: 0.5 } }, { packets: { perSender: 0 } }, { maxPeers: -1 },
    ]
    for (const options of bad) {
      let thrown: unknown
      try { discoveryConfig({ ...base, ...options }) } catch (error) { thrown = error }
      expect(thrown, Object.keys(options).join()).to.be.instanceOf(DiscoveryError).and.have.property('code', 'bad_config')
      if (options.privateKey !== undefined) expect(thrown).to.have.property('value', undefined)
    }
  })
})

import '../../src/polyfill.js'
import { createHash, randomBytes } from 'node:crypto'
import { ENR, SignableENR } from '@chainsafe/enr'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import fc from 'fast-check'
import { namesOtherChain, peerOfNetworkKey, readCandidate, udpEndpoint, uncompressed } from '../../src/actors/discovery/candidate.js'
import type { ForeignRecord } from '../../src/actors/discovery/candidate.js'
import { holderOf, ipFromBytes, ipFromText, scopeOf } from '../../src/actors/discovery/ip.js'
import type { AddressScope } from '../../src/actors/discovery/ip.js'
import { useNativeVerification } from '../../src/actors/discovery/native-verify.js'
import { libp2pPort } from '../../src/actors/discovery/our-record.js'
import { chainBytes, says, signRecord } from '../../src/actors/discovery/record.js'
import type { Claims } from '../../src/actors/discovery/record.js'
import { RecordFilter } from '../../src/actors/discovery/record-filter.js'
import { samples } from '../support/samples.js'

const CHAIN = chainBytes(167_000n)
const KEY = Uint8Array.from(createHash('sha256').update('enr').digest())
const everywhere = (reach: AddressScope): boolean => reach !== 'never'
const onlyPublic = (reach: AddressScope): boolean => reach === 'public'
const ed25519 = publicKeyToProtobuf((await generateKeyPair('Ed25519')).publicKey)
const claims: Claims = { ip: ipFromText('1.2.3.4'), udp: 9001, tcp: 9000, chainId: 167_000n, networkKey: ed25519 }
const seen = (record: SignableENR): ENR => ENR.decodeTxt(record.encodeTxt())

describe('what our ENR says', () => {
  it('is read by others as it was meant (SPEC §8)', () => {
    const record = seen(signRecord(KEY, 7n, claims))
    expect(record.seq).to.equal(7n)
    const candidate = readCandidate(record, CHAIN, onlyPublic)
    const peer = peerOfNetworkKey(ed25519)!
    expect(candidate).to.deep.include({ peer, seq: 7n, ownKey: false, addresses: [`/ip4/1.2.3.4/tcp/9000/p2p/${peer}`] })
    expect(udpEndpoint(record, 4)).to.deep.include({ port: 9001 })
    expect(says(signRecord(KEY, 8n, claims), claims)).to.equal(true)
    expect(says(signRecord(KEY, 8n, claims), { ...claims, tcp: 9002 })).to.equal(false)
    expect(says(signRecord(KEY, 8n, claims), { ...claims, networkKey: undefined })).to.equal(false)
  })

  it('gives the peer id by its own key where no other is named', () => {
    const record = seen(signRecord(KEY, 1n, { ...claims, networkKey: undefined }))
    expect(readCandidate(record, CHAIN, onlyPublic)).to.deep.include({ peer: record.peerId.toString(), ownKey: true })
    expect(uncompressed(record.publicKey)).to.have.length(64)
  })

  it('names the chain big-endian in as few bytes as there are', () => {
    expect([...chainBytes(167_000n)]).to.deep.equal([0x02, 0x8c, 0x58])
    expect([...chainBytes(1n)]).to.deep.equal([1])
    expect([...chainBytes(256n)]).to.deep.equal([1, 0])
  })

  it('fits into an ENR whatever is claimed', () => {
    const record = signRecord(KEY, BigInt(Number.MAX_SAFE_INTEGER), { ...claims, ip: ipFromText('2a00:1::1'), chainId: 2n ** 256n - 1n })
    expect(record.encode().length).to.be.below(300)
    expect(readCandidate(seen(record), chainBytes(2n ** 256n - 1n), onlyPublic)).to.have.property('addresses').with.length(1)
  })

  it('H16: names libp2p\'s TCP port for the address that it is listened on, never one that leads elsewhere', () => {
    const there = ipFromText('1.2.3.4')!
    expect(libp2pPort(there, ['/ip4/127.0.0.1/tcp/1', '/ip4/10.0.0.1/tcp/2', '/ip4/1.2.3.4/tcp/3'])).to.equal(3)
    expect(libp2pPort(there, ['/ip4/127.0.0.1/tcp/1', '/ip4/10.0.0.1/tcp/2/p2p/12D3KooWBmAwcd4PJNJvfV89HwE48nwkRmAgo8Vy3uQEyNNHBox2'])).to.equal(2)
    expect(libp2pPort(there, ['/ip4/127.0.0.1/tcp/1'])).to.equal(undefined)
    expect(libp2pPort(there, ['/ip6/::1/tcp/1', '/ip4/1.2.3.4/udp/3', '/memory/x', 'nonsense'])).to.equal(undefined)
    expect(libp2pPort(ipFromText('127.0.0.1')!, ['/ip4/127.0.0.1/tcp/1'])).to.equal(1)
  })
})

describe('what others\' ENRs say', () => {
  const read = (entries: Record<string, unknown>, reachable = onlyPublic) => readCandidate({
    seq: 1n, nodeId: 'ff', publicKey: seen(signRecord(KEY, 1n, claims)).publicKey, kvs: new Map(Object.entries(entries)),
  }, CHAIN, reachable)
  const good = { taiko: CHAIN, libp2p: ed25519, ip: Uint8Array.of(1, 2, 3, 4), tcp: Uint8Array.of(35, 40) }

  it('H16: another chain, none, or one written in another way is not ours', () => {
    for (const taiko of [undefined, Uint8Array.of(), chainBytes(1n), Uint8Array.of(0, ...CHAIN), new Uint8Array(200), [CHAIN]]) {
      expect(read({ ...good, taiko }), String(taiko)).to.equal('other_chain')
    }
    const names = (taiko: unknown) => namesOtherChain({ kvs: new Map([['taiko', taiko]]) } as unknown as ForeignRecord, CHAIN)
    expect([names(CHAIN), names(chainBytes(1n)), names([])]).to.deep.equal([false, true, true])
  })

  it('a network key is one of a kind that this network takes, in its one form', async () => {
    const secp256k1 = publicKeyToProtobuf((await generateKeyPair('secp256k1')).publicKey)
    const rsa = publicKeyToProtobuf((await generateKeyPair('RSA', 1_024)).publicKey)
    expect(read({ ...good, libp2p: secp256k1 })).to.be.an('object')
    const bad = [rsa, Uint8Array.of(), ed25519.subarray(1), Uint8Array.of(...ed25519, 0), Uint8Array.of(...ed25519.subarray(0, 2), 0x98, 0, ...ed25519.subarray(3)), new Uint8Array(1_000), [ed25519]]
    for (const libp2p of bad) expect(read({ ...good, libp2p })).to.equal('bad_key')
  })

  it('addresses that lead nowhere, or where no remote may send us, are left out', () => {
    const bad = [
      { tcp: undefined }, { tcp: Uint8Array.of(0, 0) }, { tcp: Uint8Array.of(0) }, { tcp: Uint8Array.of() }, { tcp: Uint8Array.of(1, 2, 3) }, { tcp: [] },
      { ip: undefined }, { ip: Uint8Array.of(1, 2, 3) }, { ip: new Uint8Array(16).fill(9) }, { ip: new Uint8Array(4) },
      { ip: Uint8Array.of(224, 0, 0, 1) }, { ip: Uint8Array.of(255, 255, 255, 255) }, { ip: Uint8Array.of(169, 254, 169, 254) }, { ip: [1, 2, 3, 4] },
      { ip: Uint8Array.of(127, 0, 0, 1) }, { ip: Uint8Array.of(10, 0, 0, 1) }, { ip: Uint8Array.of(192, 168, 1, 1) },
    ]
    for (const entries of bad) expect(read({ ...good, ...entries }), JSON.stringify(entries)).to.equal('no_address')
    expect(read({ ...good, tcp: Uint8Array.of(80) })).to.have.property('addresses').that.satisfies(([address]: string[]) => address!.startsWith('/ip4/1.2.3.4/tcp/80/'))
    expect(read({ ...good, ip: Uint8Array.of(127, 0, 0, 1) }, everywhere)).to.be.an('object')
    expect(read({ ...good, ip: Uint8Array.of(224, 0, 0, 1) }, everywhere)).to.equal('no_address')
  })

  it('property: any bytes in any place give a candidate that can be dialled, or a reason; nothing is thrown', () => {
    const value = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constantFrom<unknown>(...Object.values(good)), fc.array(fc.uint8Array()), fc.constant(undefined), fc.integer())
    const keys = ['taiko', 'libp2p', 'ip', 'ip6', 'tcp', 'tcp6', 'udp', 'udp6', 'secp256k1', 'id']
    const entries = fc.dictionary(fc.constantFrom(...keys), value).map(some => ({ ...good, ...some }))
    fc.assert(fc.property(entries, fc.uint8Array({ maxLength: 70 }), (some, publicKey) => {
      const record: ForeignRecord = { seq: 1n, nodeId: 'x', publicKey, kvs: new Map(Object.entries(some)) }
      udpEndpoint(record, 4)
      udpEndpoint(record, 6)
      const candidate = readCandidate(record, CHAIN, everywhere)
      if (typeof candidate === 'string') return
      expect(Buffer.from(CHAIN).equals(some.taiko)).to.equal(true)
      expect(candidate.addresses).to.have.length.within(1, 2)
      for (const address of candidate.addresses) {
        const [ip, tcp, peer, ...rest] = multiaddr(address).getComponents()
        expect([ip!.name, tcp!.name, peer!.name, rest.length]).to.deep.equal([ip!.name, 'tcp', 'p2p', 0])
        expect(peer!.value).to.equal(candidate.peer)
        expect(Number(tcp!.value)).to.be.within(1, 65_535)
        expect(scopeOf(ipFromText(ip!.value!)!)).to.not.equal('never')
      }
    }), { numRuns: samples(500) })
  })
})

describe('records that discv5 may see', () => {
  const sound = new RecordFilter({ family: 4, allows: (nodeId, reach) => reach !== 'never' && (nodeId === trusted.nodeId || onlyPublic(reach)), isOwn: (ip, port) => ip.text === '9.9.9.9' && port === 1 })
  const privateRecord = (): SignableENR => signRecord(Uint8Array.from(randomBytes(32)), 1n, { ...claims, ip: ipFromText('10.0.0.1') })
  const trusted = seen(privateRecord())
  const made = (entries: Record<string, unknown>, seq = 1n): ENR => {
    const own = SignableENR.createV4(Uint8Array.from(randomBytes(32)), { ip: Uint8Array.of(1, 2, 3, 4), udp: Uint8Array.of(35, 41), ...entries as Record<string, Uint8Array> })
    return new ENR(own.kvs, seq, new SignableENR(own.kvs, seq, own.privateKey).signature)
  }

  it('are those that it writes as they were signed, with addresses of the right length, that may be reached', () => {
    expect(sound.isSound(seen(signRecord(KEY, 1n, claims)))).to.equal(true)
    expect(sound.isSound(made({}))).to.equal(true)
    const bad: ENR[] = [
      made({ ip: Uint8Array.of(1, 2, 3, 4, 5) }), made({ ip6: Uint8Array.of(1) }), made({ udp: Uint8Array.of(9) }), made({ udp: Uint8Array.of(0, 0) }),
      made({ quic: Uint8Array.of(9) }), made({ tcp: new Uint8Array(40) }), made({ x: new Uint8Array(300) }), made({ udp: undefined }),
      made({ ip: Uint8Array.of(10, 0, 0, 1) }), made({ ip: Uint8Array.of(127, 0, 0, 1) }), made({ ip: Uint8Array.of(9, 9, 9, 9), udp: Uint8Array.of(0, 1) }),
      made({}, 2n ** 53n), seen(privateRecord()),
    ].filter(record => record !== undefined)
    for (const record of bad) expect(sound.isSound(record), JSON.stringify([...record.kvs.keys()])).to.equal(false)
    // the same number and key, another signature: looked at again
    const good = made({})
    expect([good, new ENR(good.kvs, good.seq, new Uint8Array(64).fill(1)), good].map(record => sound.isSound(record))).to.deep.equal([true, false, true])
  })

  it('may be anywhere where the operator named them, or we knew them', () => { expect(sound.isSound(trusted)).to.equal(true) })
})

describe('verification of records', () => {
  it('says the same natively as the library does in JavaScript', async () => {
    const { verify, nodeId } = await import('@chainsafe/enr').then(({ defaultCrypto }) => defaultCrypto)
    await useNativeVerification()
    const { getV4Crypto } = await import('@chainsafe/enr')
    const { publicKey, signature } = signRecord(KEY, 1n, claims)
    const message = Uint8Array.of(1, 2, 3)
    const good = getV4Crypto().sign(KEY, message)
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
    const high = Uint8Array.from(Buffer.concat([good.subarray(0, 32), Buffer.from((order - BigInt(`0x${Buffer.from(good.subarray(32)).toString('hex')}`)).toString(16).padStart(64, '0'), 'hex')]))
    const cases: Array<[Uint8Array, Uint8Array, Uint8Array]> = [
      [publicKey, message, good], [publicKey, message, high], [publicKey, message, signature], [publicKey, Uint8Array.of(), good], [publicKey, message, new Uint8Array(64)],
    ]
    for (const [key, text, sign] of cases) {
      let expected = false
      try { expected = verify(key, text, sign) } catch { /* no */ }
      expect(getV4Crypto().verify(key, text, sign)).to.equal(expected)
    }
    expect(getV4Crypto().verify(publicKey, message, good)).to.equal(true)
    expect(getV4Crypto().verify(Uint8Array.of(1), message, good)).to.equal(false)
    expect(getV4Crypto().nodeId(publicKey)).to.equal(nodeId(publicKey))
  })
})

describe('IP addresses', () => {
  it('reach as far as their range', () => {
    const expected: Record<AddressScope, string[]> = {
      public: ['1.2.3.4', '8.8.8.8', '223.255.255.255', '2a00:1450:4001::1', '172.32.0.1'],
      private: ['10.1.2.3', '172.16.0.1', '192.168.0.1', '100.64.0.1', 'fd00::1'],
      loopback: ['127.0.0.1', '127.255.0.1', '::1'],
      never: ['0.0.0.0', '169.254.169.254', '224.0.0.1', '240.0.0.1', '255.255.255.255', '192.0.2.1', '::', '::ffff:1.2.3.4', 'fe80::1', 'ff02::1', '2002:7f00:1::', '64:ff9b::7f00:1', '2001:0:1::', '2001:db8::1'],
    }
    for (const [reach, texts] of Object.entries(expected)) for (const text of texts) expect(scopeOf(ipFromText(text)!), text).to.equal(reach)
  })

  it('go from text to bytes and back; what is none is none', () => {
    fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), text => {
      const ip = ipFromText(text)!
      expect(ipFromText(ip.text)).to.deep.equal(ip)
      expect(ipFromBytes(ip.bytes)).to.deep.equal(ip)
    }))
    for (const text of ['', '1.2.3', '1.2.3.4.5', 'fe80::1%eth0', 'localhost', '1.2.3.4/8']) expect(ipFromText(text), text).to.equal(undefined)
  })

  it('stand for their network where they are public', () => {
    expect(holderOf(ipFromText('1.2.3.4')!)).to.equal(holderOf(ipFromText('1.2.3.200')!))
    expect(holderOf(ipFromText('1.2.3.4')!)).to.not.equal(holderOf(ipFromText('1.2.4.4')!))
    expect(holderOf(ipFromText('10.2.3.4')!)).to.not.equal(holderOf(ipFromText('10.2.3.5')!))
    expect(holderOf(ipFromText('2a00:1:2:3::1')!)).to.equal(holderOf(ipFromText('2a00:1:2:4::1')!))
  })
})

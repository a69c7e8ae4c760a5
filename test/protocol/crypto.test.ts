import { expect } from 'chai'
import { defaultLoaders } from '../../src/protocol/backends.js'
import { addressOf, fromHex, loadCrypto, toHex, type Crypto, type Loaders } from '../../src/protocol/index.js'
import { asyncRefusal, signer, withByte } from './fixtures.js'

const digest = fromHex('4da247cd3886a398b3bff8b98c033df82a15b6b6925abccb90ce2bb21888e03a')
const signature = signer(digest)

/** Loaders in which the named libraries do not load here. */
function without(...absent: string[]): Loaders {
  const fail = (): Promise<never> => Promise.reject(new Error('No native build was found'))
  const pick = <T extends Record<string, unknown>>(loaders: T): T =>
    Object.fromEntries(Object.entries(loaders).map(([name, load]) => [name, absent.includes(name) ? fail : load])) as T
  return { recover: pick(defaultLoaders.recover), keccak: pick(defaultLoaders.keccak) }
}

describe('protocol/crypto', () => {
  const each: Crypto[] = []
  /** The addon is optional: where no binary of it is made for, the rest must hold without it. */
  let native: boolean
  before(async () => {
    const addon = await loadCrypto({ recover: 'secp256k1', keccak: 'hash-wasm' }).catch(() => undefined)
    native = addon !== undefined
    if (addon !== undefined) each.push(addon)
    each.push(
      await loadCrypto({ recover: 'libauth', keccak: 'hash-wasm' }),
      await loadCrypto({ recover: 'noble', keccak: 'noble' }),
    )
  })

  it('takes native recovery and WebAssembly keccak first', async function () {
    if (!native) this.skip()
    const crypto = await loadCrypto()
    expect(crypto).to.include({ recoverBackend: 'secp256k1', keccakBackend: 'hash-wasm', degraded: false })
    expect(crypto.warnings).to.deep.equal([])
  })

  it('hashes the same with every library, in one part or in many', () => {
    const data = Uint8Array.from({ length: 1_000 }, (_, i) => i * 7)
    const expected = toHex(each[0]!.keccak256(data))
    for (const crypto of each) {
      expect(toHex(crypto.keccak256())).to.equal('c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470')
      for (const cut of [0, 1, 135, 136, 137, 999]) {
        expect(toHex(crypto.keccak256(data.subarray(0, cut), data.subarray(cut)))).to.equal(expected)
      }
      expect(toHex(crypto.keccak256(Buffer.from(data)))).to.equal(expected)
    }
  })

  it('gives digests and keys that a later call does not change', () => {
    for (const crypto of each) {
      const first = crypto.keccak256(new Uint8Array([1]))
      const key = crypto.recover(digest, signature.subarray(0, 64), signature[64]!)!
      const [hex, keyHex] = [toHex(first), toHex(key)]
      crypto.keccak256(new Uint8Array([2]))
      crypto.recover(digest, signature.subarray(0, 64), signature[64]! ^ 1)
      expect(toHex(first)).to.equal(hex)
      expect(toHex(key)).to.equal(keyHex)
    }
  })

  it('recovers the signer with every library', () => {
    for (const crypto of each) {
      const key = crypto.recover(digest, signature.subarray(0, 64), signature[64]!)
      expect(key?.length).to.equal(64)
      expect(addressOf(crypto, key!)).to.deep.equal(signer.address)
    }
  })

  it('answers undefined for what has no key, and never throws', () => {
    const zero = new Uint8Array(64)
    const ones = new Uint8Array(64).fill(255)
    const noPoint = withByte(withByte(signature.subarray(0, 64), 31, 5), 0, 0).fill(0, 0, 31)
    const cases: [Uint8Array, Uint8Array, number][] = [
      [digest, zero, 0], [digest, ones, 0], [digest, noPoint, 0],
      ...[4, 27, 28, 255, -1, 1.5, NaN].map((v): [Uint8Array, Uint8Array, number] => [digest, signature.subarray(0, 64), v]),
      [digest, signature.subarray(0, 64), 2], // r + n is above the field
      [digest.subarray(1), signature.subarray(0, 64), 0], [digest, signature, 0], [digest, signature.subarray(0, 63), 0],
    ]
    for (const crypto of each) {
      for (const [m, s, v] of cases) expect(crypto.recover(m, s, v), `${crypto.recoverBackend} v ${v}`).to.equal(undefined)
    }
  })

  it('answers undefined where the key would be the point at infinity', () => {
    // r = x(G), R = G: s·R = m·G for s = m.
    const generatorX = fromHex('79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798')
    const m = new Uint8Array(32).fill(7)
    const infinite = new Uint8Array(64)
    infinite.set(generatorX)
    infinite.set(m, 32)
    for (const crypto of each) {
      expect(crypto.recover(m, infinite, 0), crypto.recoverBackend).to.equal(undefined)
      expect(crypto.recover(m, infinite, 1), crypto.recoverBackend).to.be.instanceOf(Uint8Array)
    }
  })

  describe('H36: a fall-back is reported', () => {
    it('H36: from native to WebAssembly', async () => {
      const crypto = await loadCrypto({ loaders: without('secp256k1') })
      expect(crypto).to.include({ recoverBackend: 'libauth', keccakBackend: 'hash-wasm', degraded: true })
      expect(crypto.warnings).to.deep.equal(['recover: secp256k1 is not used: No native build was found'])
    })

    it('H36: to JavaScript, for both', async () => {
      const crypto = await loadCrypto({ loaders: without('secp256k1', 'libauth', 'hash-wasm') })
      expect(crypto).to.include({ recoverBackend: 'noble', keccakBackend: 'noble', degraded: true })
      expect(crypto.warnings.length).to.equal(3)
      expect(addressOf(crypto, crypto.recover(digest, signature.subarray(0, 64), signature[64]!)!)).to.deep.equal(signer.address)
    })

    it('H36: a library that loads but computes wrong is not used', async () => {
      const wrong = { ...defaultLoaders.recover, secp256k1: () => Promise.resolve(() => new Uint8Array(64)) }
      const crypto = await loadCrypto({ loaders: { ...defaultLoaders, recover: wrong } })
      expect(crypto).to.include({ recoverBackend: 'libauth', degraded: true })
      expect(crypto.warnings[0]).to.include('wrong')
      const wrongHash = { ...defaultLoaders.keccak, 'hash-wasm': () => Promise.resolve(() => new Uint8Array(32)) }
      const second = await loadCrypto({ loaders: { ...defaultLoaders, keccak: wrongHash } })
      expect(second).to.include({ keccakBackend: 'noble', degraded: true })
    })

    it('H36: a slower library by choice counts as degraded too, without a warning', async () => {
      const crypto = await loadCrypto({ recover: 'libauth' })
      expect(crypto).to.include({ recoverBackend: 'libauth', degraded: true })
      expect(crypto.warnings).to.deep.equal([])
    })

    it('H36: a library asked for by name is never replaced', async () => {
      const error = await asyncRefusal(loadCrypto({ recover: 'secp256k1', loaders: without('secp256k1') }), 'backend_unavailable')
      expect(error.value).to.equal('secp256k1')
      expect(error.message).to.include('No native build was found')
    })
  })
})

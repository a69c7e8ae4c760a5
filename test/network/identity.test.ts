import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair, privateKeyToProtobuf, publicKeyFromProtobuf } from '@libp2p/crypto/keys'
import { getPublicKey } from '@noble/secp256k1'
import { expect } from 'chai'
import {
  NetworkError, createIdentity, exportIdentity, importIdentity, loadIdentity, newPrivateKey, peerKeyOf, publicKeyBytes, publicKeyOf, rawSecp256k1,
} from '../../src/actors/network/index.js'

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try { await promise } catch (error) { if (error instanceof NetworkError) return error.code; throw error }
  throw new Error('it was taken')
}

describe('network: identity file', () => {
  let folder: string
  beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'identity-')) })
  afterEach(async () => { await rm(folder, { recursive: true }) })

  it('is created where it is missing, for its owner only, and read again', async () => {
    const path = join(folder, 'deeper', 'identity.key')
    const created = await loadIdentity(path)
    expect(created.type).to.equal('Ed25519')
    expect((await stat(path)).mode & 0o777).to.equal(0o600)
    expect(peerKeyOf(await loadIdentity(path))).to.equal(peerKeyOf(created))
    expect(await readdir(join(folder, 'deeper'))).to.deep.equal(['identity.key'])
    expect(Buffer.from(privateKeyToProtobuf(created)).equals(await readFile(path))).to.equal(true)
  })

  it('gives two that start at once the same identity', async () => {
    const path = join(folder, 'identity.key')
    const [one, two] = await Promise.all([loadIdentity(path), loadIdentity(path)])
    expect(peerKeyOf(one)).to.equal(peerKeyOf(two))
  })

  it('may hold a secp256k1 key that another program wrote', async () => {
    const path = join(folder, 'identity.key')
    const key = await generateKeyPair('secp256k1')
    await writeFile(path, privateKeyToProtobuf(key))
    expect(peerKeyOf(await loadIdentity(path))).to.equal(peerKeyOf(key))
  })

  it('H23: damaged or foreign is an error, and the file stays as it is', async () => {
    const path = join(folder, 'identity.key')
    const good = privateKeyToProtobuf(await generateKeyPair('Ed25519'))
    const flipped = Uint8Array.from(good)
    flipped[20] = (flipped[20] ?? 0) ^ 1
    const damaged = [new Uint8Array(0), new Uint8Array([1, 2, 3]), good.subarray(0, 40), flipped, new TextEncoder().encode('not a key')]
    for (const bytes of damaged) {
      await writeFile(path, bytes)
      expect(await codeOf(loadIdentity(path)), Buffer.from(bytes).toString('hex')).to.equal('identity_damaged')
      expect(Buffer.from(bytes).equals(await readFile(path))).to.equal(true)
    }
    await writeFile(path, privateKeyToProtobuf(await generateKeyPair('RSA', 2048)))
    expect(await codeOf(loadIdentity(path))).to.equal('identity_foreign')
  })

  it('that cannot be read is an error', async () => {
    expect(await codeOf(loadIdentity(folder))).to.equal('identity_unreadable')
  })

  it('is of the type that was asked for when it is created, and of its own when it is there', async () => {
    const path = join(folder, 'identity.key')
    const created = await loadIdentity(path, 'secp256k1')
    expect(created.type).to.equal('secp256k1')
    expect((await stat(path)).mode & 0o777).to.equal(0o600)
    expect(peerKeyOf(await loadIdentity(path, 'Ed25519'))).to.equal(peerKeyOf(created))
    expect((await createIdentity(join(folder, 'other.key'))).type).to.equal('Ed25519')
    expect(await codeOf(createIdentity(path))).to.equal('identity_exists')
  })

  for (const type of ['Ed25519', 'secp256k1'] as const) {
    it(`${type}: exported and imported it is the same, and overwrites nothing`, async () => {
      const [from, to] = [join(folder, 'from.key'), join(folder, 'new', 'to.key')]
      const key = await loadIdentity(from, type)
      const bytes = await exportIdentity(from)
      expect(peerKeyOf(await importIdentity(to, bytes))).to.equal(peerKeyOf(key))
      expect((await stat(to)).mode & 0o777).to.equal(0o600)
      expect(peerKeyOf(await loadIdentity(to))).to.equal(peerKeyOf(key))
      const before = await readFile(from)
      expect(await codeOf(importIdentity(from, privateKeyToProtobuf(newPrivateKey())))).to.equal('identity_exists')
      expect((await readFile(from)).equals(before)).to.equal(true)
    })
  }

  it('H23: nothing is imported that is no key of ours, and nothing exported that is damaged or not there', async () => {
    const path = join(folder, 'identity.key')
    expect(await codeOf(importIdentity(path, new Uint8Array([1, 2, 3])))).to.equal('identity_damaged')
    expect(await codeOf(importIdentity(path, privateKeyToProtobuf(await generateKeyPair('RSA', 2048))))).to.equal('identity_foreign')
    expect(await readdir(folder)).to.deep.equal([])
    expect(await codeOf(exportIdentity(path))).to.equal('identity_unreadable')
    await writeFile(path, 'not a key')
    expect(await codeOf(exportIdentity(path))).to.equal('identity_damaged')
  })
})

describe('network: keys', () => {
  it('a peer id that holds a secp256k1 key gives its 64 bytes, and no other', async () => {
    const key = await generateKeyPair('secp256k1')
    const publicKey = publicKeyOf(peerKeyOf(key))
    expect(publicKey?.length).to.equal(64)
    expect(Buffer.from(publicKey ?? []).equals(Buffer.from(getPublicKey(rawSecp256k1(key), false).subarray(1)))).to.equal(true)
    expect(publicKeyOf(peerKeyOf(newPrivateKey()))).to.equal(undefined)
    expect(publicKeyOf(peerKeyOf(await generateKeyPair('RSA', 2048)))).to.equal(undefined)
    expect(publicKeyOf('nobody')).to.equal(undefined)
  })

  it('what an ENR carries is the public key in protobuf form; a raw key is 32 bytes of secp256k1', async () => {
    const [edwards, koblitz] = [newPrivateKey(), await generateKeyPair('secp256k1')]
    for (const key of [edwards, koblitz]) expect(publicKeyFromProtobuf(publicKeyBytes(key)).equals(key.publicKey)).to.equal(true)
    expect(rawSecp256k1(koblitz).length).to.equal(32)
    expect(() => rawSecp256k1(edwards)).to.throw(NetworkError).with.property('code', 'bad_key')
  })
})

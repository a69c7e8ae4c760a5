import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { expect } from 'chai'
import { NetworkError, loadIdentity, peerKeyOf } from '../../src/actors/network/index.js'

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
})

import '../../polyfill.js'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { link, open, readFile, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyFromRaw, privateKeyToProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { Point } from '@noble/secp256k1'
import type { PrivateKey } from '@libp2p/interface'
import type { PeerKey } from '../../protocol/peer-key.js'
import { NetworkError } from './errors.js'
import { codeOf } from '../../protocol/thrown.js'
import { makeFolder } from '../../make-folder.js'

/** A new network identity: Ed25519, which is cheap for everybody who verifies it (SPEC §8). */
export function newPrivateKey(): PrivateKey {
  const { d, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  if (d === undefined || x === undefined) throw new NetworkError('identity_unreadable', 'the platform exports no Ed25519 key')
  return privateKeyFromRaw(Buffer.concat([Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')]))
}

/** Key types that this network takes (SPEC §10). */
export type IdentityType = 'Ed25519' | 'secp256k1'

/** The peer id of a key, as text. */
export function peerKeyOf(privateKey: PrivateKey): PeerKey {
  return peerIdFromPrivateKey(privateKey).toString()
}

/**
 * The identity in a file: libp2p's protobuf form of a private key, readable by its owner only. Created where the file is missing, with
 * the directories above it; never replaced, whatever is in it (H23).
 * @param type of a key that is created; what is there is taken as it is
 * @throws NetworkError `identity_damaged` (not such a key), `identity_foreign` (a key type that gossip cannot use: RSA, SPEC §10),
 * `identity_unreadable` (the file system); `value` is the file's path
 */
export async function loadIdentity(path: string, type: IdentityType = 'Ed25519'): Promise<PrivateKey> {
  const bytes = await read(path)
  if (bytes !== undefined) return parseIdentity(bytes, path)
  const created = await newKeyOf(type)
  return await create(path, privateKeyToProtobuf(created)) ? created : loadIdentity(path)
}

/** A new identity in a file that is not there yet. @throws NetworkError `identity_exists`, `identity_unreadable` */
export async function createIdentity(path: string, type: IdentityType = 'Ed25519'): Promise<PrivateKey> {
  const created = await newKeyOf(type)
  if (!await create(path, privateKeyToProtobuf(created))) throw existsAlready(path)
  return created
}

const newKeyOf = async (type: IdentityType): Promise<PrivateKey> => type === 'Ed25519' ? newPrivateKey() : generateKeyPair('secp256k1')

/**
 * Makes a key of libp2p's protobuf form the identity in a file that is not there yet.
 * @throws NetworkError `identity_exists` (and the file stays as it is), and those of `loadIdentity` for the bytes
 */
export async function importIdentity(path: string, bytes: Uint8Array): Promise<PrivateKey> {
  const key = await parseIdentity(bytes, path)
  // in its own form, whatever the encoding of what was given
  if (!await create(path, privateKeyToProtobuf(key))) throw existsAlready(path)
  return key
}

/** The identity in a file, in libp2p's protobuf form: a secret. @throws NetworkError as `loadIdentity`; `identity_unreadable` where there is none */
export async function exportIdentity(path: string): Promise<Uint8Array> {
  const bytes = await read(path)
  if (bytes === undefined) throw unreadable(path, Object.assign(new Error('there is no such file'), { code: 'ENOENT' }))
  return privateKeyToProtobuf(await parseIdentity(bytes, path))
}

/** Writes an identity's protobuf form, a secret, to a file of its own that is not there yet. @throws NetworkError `identity_exists`, `identity_unreadable` */
export async function writeExport(path: string, bytes: Uint8Array): Promise<void> {
  if (!await create(path, bytes)) throw existsAlready(path)
}

/** The public key of an identity in libp2p's protobuf form: what an ENR carries under `libp2p` (SPEC §8). */
export function publicKeyBytes(privateKey: PrivateKey): Uint8Array { return publicKeyToProtobuf(privateKey.publicKey) }

/** The 32 bytes of a secp256k1 key. @throws NetworkError `bad_key` for another type */
export function rawSecp256k1(privateKey: PrivateKey): Uint8Array {
  if (privateKey.type !== 'secp256k1') throw new NetworkError('bad_key', 'this is no secp256k1 key', { value: privateKey.type })
  return privateKey.raw
}

/** The uncompressed secp256k1 public key, 64 bytes, of a peer id that holds one; `undefined` for all others. */
export function publicKeyOf(peer: PeerKey): Uint8Array | undefined {
  try {
    const { publicKey } = peerIdFromString(peer)
    return publicKey?.type === 'secp256k1' ? Point.fromBytes(publicKey.raw).toBytes(false).slice(1) : undefined
  } catch {
    return undefined
  }
}

async function read(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path)
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw unreadable(path, cause)
  }
}

/** A key of libp2p's protobuf form; `path` is what an error names. @throws NetworkError `identity_damaged`, `identity_foreign` */
export async function parseIdentity(bytes: Uint8Array, path: string): Promise<PrivateKey> {
  let key: PrivateKey
  try {
    key = privateKeyFromProtobuf(bytes)
  } catch (cause) {
    throw new NetworkError('identity_damaged', `${path} holds no private key in libp2p's form`, { value: path, cause })
  }
  if (!await fits(key)) throw new NetworkError('identity_damaged', `${path} holds a private key that is not its public key's`, { value: path })
  if (key.type !== 'Ed25519' && key.type !== 'secp256k1') {
    throw new NetworkError('identity_foreign', `${path} holds a key of type ${key.type}; this network takes Ed25519 and secp256k1`, { value: path })
  }
  return key
}

/** The stored form repeats the public key: a flipped bit in either shows in a signature. */
async function fits(key: PrivateKey): Promise<boolean> {
  const probe = new TextEncoder().encode('identity')
  try {
    return await key.publicKey.verify(probe, await key.sign(probe))
  } catch {
    return false
  }
}

/** Writes the whole file beside its place and links it there: a crash leaves no half of a key, and nobody else's is overwritten. */
async function create(path: string, bytes: Uint8Array): Promise<boolean> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.new`
  try {
    await makeFolder(dirname(path))
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(temporary, path)
    return true
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') return false
    throw unreadable(path, cause)
  } finally {
    await unlink(temporary).catch(() => undefined)
  }
}

function existsAlready(path: string): NetworkError {
  return new NetworkError('identity_exists', `${path} exists already`, { value: path })
}

function unreadable(path: string, cause: unknown): NetworkError {
  return new NetworkError('identity_unreadable', `${path}: ${codeOf(cause) ?? String(cause)}`, { value: path, cause })
}

import { readFile } from 'node:fs/promises'
import { signCommitment, signerFromKey } from '../../protocol/index.js'
import type { AddressedSigner, Crypto, PreconfCommitment, SignedCommitment, Signer } from '../../protocol/index.js'
import { CancelledError } from '../kernel/index.js'
import type { Clock } from '../kernel/index.js'
import { badConfig } from './config.js'
import type { FilledConfig, SigningConfig } from './config.js'
import { textOf } from '../../protocol/text-of.js'
import { ServiceError } from './errors.js'
import { patiently } from './signals.js'
import { messageOf } from '../../protocol/thrown.js'

/** How long a remote signer may take, ms. */
const SIGN_WITHIN = 10_000

/** @throws ServiceError `signing_unprotected` where there is a signer, and nowhere to keep what it signs */
export function checkProtected({ signing, dataDir }: Pick<FilledConfig, 'signing' | 'dataDir'>): void {
  if (signing === undefined || dataDir !== undefined || signing.unprotected === true) return
  throw new ServiceError('signing_unprotected', 'without a data directory nothing is known after a restart of what was signed: give `dataDir`, or `signing: { unprotected: true }`')
}

/** The signer that a config names. A key file holds 64 hex digits. @throws ServiceError `bad_config`, never with the key in it */
export async function signerFrom(config: SigningConfig): Promise<AddressedSigner> {
  if (typeof config !== 'object' || config === null) {
    throw badConfig('signing', 'is { key }, { keyFile } or { sign }', '(not shown)')
  }
  if ('sign' in config) {
    const sign: Signer = config.sign
    if (typeof sign !== 'function') throw badConfig('signing.sign', 'is a function', typeof sign)
    if (!(sign.address instanceof Uint8Array) || sign.address.length !== 20) {
      throw badConfig('signing.sign', 'carries the address that it signs for, 20 bytes under `address`: what that has signed before is looked up', typeof sign.address)
    }
    return config.sign
  }
  if ('key' in config) return fromKey(config.key, 'signing.key')
  if (typeof config.keyFile !== 'string') throw badConfig('signing', 'is { key }, { keyFile } or { sign }', Object.keys(config))
  return fromKey(await readKeyFile(config.keyFile), `signing.keyFile ${config.keyFile}`)
}

interface SignNeeds {
  readonly crypto: Crypto
  readonly domain: Uint8Array
  readonly clock: Clock
  readonly closing: AbortSignal
  readonly signal: AbortSignal | undefined
}

/**
 * Has a commitment signed; whatever a signer that was given up answers later goes nowhere.
 * @throws ServiceError `signing_failed` also when there is no answer within 10 s (`value`: the ms), `stopped`; CancelledError
 */
export async function signPatiently(commitment: PreconfCommitment, signer: Signer, needs: SignNeeds): Promise<SignedCommitment> {
  const { crypto, domain, clock, closing, signal } = needs
  return patiently(async () => signCommitment(commitment, signer, { domain, crypto }).catch((cause: unknown) => {
    throw new ServiceError('signing_failed', `signing failed: ${messageOf(cause)}`, undefined, undefined, { cause })
  }), {
    clock, ms: SIGN_WITHIN, late: () => new ServiceError('signing_failed', `the signer did not answer within ${SIGN_WITHIN} ms`, SIGN_WITHIN, SIGN_WITHIN),
    ends: [[closing, () => new ServiceError('stopped', 'the service is stopped')], [signal, reason => new CancelledError('publishCommitment', reason)]],
  })
}

function fromKey(key: Uint8Array | string, option: string): AddressedSigner {
  try {
    return signerFromKey(key)
  } catch {
    throw badConfig(option, 'is a secp256k1 private key of 32 bytes', '(not shown)')
  }
}

async function readKeyFile(path: string): Promise<string> {
  try {
    return textOf(await readFile(path)).trim()
  } catch (error) {
    throw new ServiceError('bad_config', `signing.keyFile cannot be read: ${path}`, path, undefined, { cause: error })
  }
}

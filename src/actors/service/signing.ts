import { readFile } from 'node:fs/promises'
import { signerFromKey } from '../../protocol/index.js'
import type { Signer } from '../../protocol/index.js'
import { badConfig } from './config.js'
import type { SigningConfig } from './config.js'
import { ServiceError } from './errors.js'

/** The signer that a config names. A key file holds 64 hex digits. @throws ServiceError `bad_config`, never with the key in it */
export async function signerFrom(config: SigningConfig): Promise<Signer> {
  if ('sign' in config) return config.sign
  if ('key' in config) return fromKey(config.key, 'signing.key')
  return fromKey(await readKeyFile(config.keyFile), `signing.keyFile ${config.keyFile}`)
}

function fromKey(key: Uint8Array | string, option: string): Signer {
  try {
    return signerFromKey(key)
  } catch {
    throw badConfig(option, 'is a secp256k1 private key of 32 bytes', '(not shown)')
  }
}

async function readKeyFile(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    throw new ServiceError('bad_config', `signing.keyFile cannot be read: ${path}`, path, undefined, { cause: error })
  }
}

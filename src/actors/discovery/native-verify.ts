import { getV4Crypto, setV4Crypto } from '@chainsafe/enr'
import { keccak_256 as keccak256 } from '@noble/hashes/sha3.js'

let chosen: Promise<'secp256k1' | 'noble'> | undefined

/**
 * Has records verified by the native `secp256k1` where it loads, once for the process: 0.1 ms instead of 1.7 ms of JavaScript each, on the
 * thread that gossip runs on, and an answer to a lookup holds up to 16 of them. What is signed stays as it was.
 */
export function useNativeVerification(): Promise<'secp256k1' | 'noble'> {
  chosen ??= choose()
  return chosen
}

async function choose(): Promise<'secp256k1' | 'noble'> {
  try {
    const { default: native } = await import('secp256k1/bindings.js')
    const library = getV4Crypto()
    setV4Crypto({
      ...library,
      verify(publicKey, message, signature) {
        try {
          return native.ecdsaVerify(plain(signature), keccak256(plain(message)), plain(publicKey))
        } catch {
          return false
        }
      },
      nodeId: publicKey => Buffer.from(keccak256(native.publicKeyConvert(plain(publicKey), false).slice(1))).toString('hex'),
    })
    return 'secp256k1'
  } catch {
    return 'noble'
  }
}

/** The addon takes no Buffers, nor what a foreign record may hold in place of bytes. */
function plain(bytes: Uint8Array): Uint8Array { return Uint8Array.from(bytes) }

import { publicKeyFromProtobuf } from '@libp2p/crypto/keys'
import type { RpcMessage } from './gossipsub-internals.js'

/** A message with its author's envelope. */
export interface SignedMessage extends RpcMessage {
  readonly seqno?: Uint8Array
  readonly signature?: Uint8Array
  readonly key?: Uint8Array
}

const SEQNO_BYTES = 8
/** Longer than any public key that libp2p knows. Bytes. */
const MAX_KEY_BYTES = 2_048

/** A peer id that embeds its key as minimal protobuf: the bytes before the key, and how its signatures look. */
interface Form {
  readonly prefix: Buffer
  readonly size: number
  signs(signature: Uint8Array): boolean
}
const ED25519: Form = { prefix: Buffer.from([0x00, 0x24, 0x08, 0x01, 0x12, 0x20]), size: 38, signs: signature => signature.length === 64 }
const SECP256K1: Form = { prefix: Buffer.from([0x00, 0x25, 0x08, 0x02, 0x12, 0x21]), size: 39, signs: isLowS }
const KEY_AT = 2

/**
 * The message without its `key` field if its envelope has the canonical form of SPEC §5, which all implementations accept; else
 * `undefined` (H66). JavaScript and Rust each accept further forms that the other rejects: forwarding one gets us banned, and rejecting it
 * penalises an honest relay. So such messages are dropped without a penalty, before they get an id.
 *
 * - `from`: the canonical peer id of an Ed25519 or secp256k1 key;
 * - `seqno`: 8 bytes;
 * - `signature`: 64 bytes, or for secp256k1 strict DER with a low S. It is not verified here;
 * - `key`: absent, the key in `from`, or no valid key. It is removed in any case, since `from` holds the key.
 */
export function canonicalEnvelope(message: SignedMessage): SignedMessage | undefined {
  const { from, key, seqno, signature } = message
  const form = from === undefined ? undefined : [ED25519, SECP256K1].find(({ prefix, size }) => from.length === size && prefix.compare(from, 0, prefix.length) === 0)
  if (from === undefined || form === undefined || seqno?.length !== SEQNO_BYTES || signature === undefined || !form.signs(signature)) return undefined
  if (key === undefined) return message
  if (isAnother(key, from)) return undefined
  const { key: _, ...rest } = message
  return rest
}

function isAnother(key: Uint8Array, from: Uint8Array): boolean {
  if (key.length > MAX_KEY_BYTES || Buffer.compare(key, from.subarray(KEY_AT)) === 0) return false
  try {
    return Buffer.compare(publicKeyFromProtobuf(key).toMultihash().bytes, from) !== 0
  } catch {
    // not a valid key: Rust ignores it and forwards the message
    return false
  }
}

/** Half of the order of secp256k1's group; a larger S is the altered form. */
const HALF_ORDER = Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex')
const SEQUENCE = 0x30
const INTEGER = 0x02

/** Whether a signature is two positive integers in strict DER, the second one low. */
function isLowS(signature: Uint8Array): boolean {
  if (signature[0] !== SEQUENCE || signature[1] !== signature.length - 2) return false
  const r = integerAt(signature, 2)
  const s = r === undefined ? undefined : integerAt(signature, r.end)
  return s !== undefined && s.end === signature.length && Buffer.compare(s.value, HALF_ORDER) <= 0
}

/** The minimally encoded integer above zero that begins at `at`, as 32 bytes. */
function integerAt(bytes: Uint8Array, at: number): { readonly value: Buffer; readonly end: number } | undefined {
  const length = bytes[at + 1] ?? 0
  const end = at + 2 + length
  if (bytes[at] !== INTEGER || length === 0 || length > 33 || end > bytes.length) return undefined
  const [first = 0, second = 0] = bytes.subarray(at + 2, end)
  const isPadded = first === 0
  if (first >= 0x80 || (isPadded && second < 0x80) || (length === 33 && !isPadded)) return undefined
  const digits = bytes.subarray(at + 2 + (isPadded ? 1 : 0), end)
  const value = Buffer.alloc(32)
  value.set(digits, 32 - digits.length)
  return { value, end }
}

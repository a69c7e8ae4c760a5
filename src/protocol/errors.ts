/** What went wrong, for programs. A new code is an addition to this union and to `PROTOCOL_ERROR_CODES`. */
export type ProtocolErrorCode = typeof PROTOCOL_ERROR_CODES[number]

export const PROTOCOL_ERROR_CODES = [
  /** SSZ: the container has a fixed size and these bytes have another one. */
  'invalid_size',
  /** SSZ: a bool that is neither 0 nor 1. */
  'invalid_bool',
  /** SSZ: the offset of a list is not where the list must start. */
  'invalid_offset',
  /** SSZ: a list longer than its limit. */
  'list_too_long',
  /** SSZ: refused for any other reason. */
  'invalid_ssz',
  /** A value that cannot be encoded: wrong type, negative, or out of range. */
  'invalid_value',
  /** Bytes that must have another length. */
  'invalid_length',
  'invalid_hex',
  /** A signing domain that is not 32 bytes. */
  'invalid_domain',
  'invalid_chain_id',
  /** A private key that is not 32 bytes, zero, or at or above the group order. */
  'invalid_key',
  /** A signature from which no public key can be recovered, or of another form than r ‖ s ‖ v. */
  'invalid_signature',
  /** A signer that answered with a signature of another address than its own. */
  'signer_mismatch',
  /** A library that was asked for by name cannot be loaded here, or computes wrong results. */
  'backend_unavailable',
  /** Framing: the declared length is above the cap. */
  'frame_too_long',
  /** Framing: the length is not in its shortest form. */
  'varint_not_minimal',
  /** Framing: the length does not end within nine bytes. */
  'varint_too_long',
  /** Framing: the stream ended within the length or the body. */
  'frame_truncated',
] as const

/** What is known beside the code: the offending value, the limit it broke, and the field where it stood. */
export interface ProtocolErrorDetail {
  readonly value?: unknown
  readonly limit?: number
  readonly field?: string
}

/** A `ProtocolError` as plain data, for a thread boundary: a structured clone of an Error loses its `code`. */
export interface ProtocolErrorData extends ProtocolErrorDetail {
  readonly name: 'ProtocolError'
  readonly code: ProtocolErrorCode
  readonly message: string
}

/** Every refusal of this room. Its `value` is a primitive: an object or bytes are described, never kept alive by an error. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ProtocolErrorCode
  readonly value?: unknown
  readonly limit?: number
  readonly field?: string

  constructor(code: ProtocolErrorCode, message: string, detail: ProtocolErrorDetail = {}, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    if (detail.value !== undefined) this.value = isPrimitive(detail.value) ? detail.value : describe(detail.value)
    if (detail.limit !== undefined) this.limit = detail.limit
    if (detail.field !== undefined) this.field = detail.field
  }

  /** Plain data that survives `postMessage` and `JSON.stringify` (a bigint value becomes its decimal string). */
  toJSON(): ProtocolErrorData {
    return {
      name: this.name,
      code: this.code,
      message: this.message,
      ...(this.value !== undefined && { value: plain(this.value) }),
      ...(this.limit !== undefined && { limit: this.limit }),
      ...(this.field !== undefined && { field: this.field }),
    }
  }

  /** The error again on the other side, or undefined where `data` is not one. */
  static fromJSON(data: unknown): ProtocolError | undefined {
    if (typeof data !== 'object' || data === null) return undefined
    const { name, code, message, value, limit, field } = data as Partial<ProtocolErrorData>
    if (name !== 'ProtocolError' || typeof message !== 'string' || !isCode(code)) return undefined
    return new ProtocolError(code, message, {
      value,
      ...(typeof limit === 'number' && { limit }),
      ...(typeof field === 'string' && { field }),
    })
  }
}

function isPrimitive(value: unknown): boolean {
  return typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol'
}

const codes: ReadonlySet<unknown> = new Set(PROTOCOL_ERROR_CODES)

function isCode(code: unknown): code is ProtocolErrorCode {
  return codes.has(code)
}

function plain(value: unknown): unknown {
  switch (typeof value) {
    case 'bigint': return value.toString()
    case 'number': return Number.isFinite(value) ? value : String(value)
    default: return value
  }
}

/** A short text for a value of any type, safe to put in a message: never the content of bytes, never throws. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (Array.isArray(value)) return `an array of ${value.length}`
  switch (typeof value) {
    case 'string': return JSON.stringify(value.slice(0, 80)) + (value.length > 80 ? `… (${value.length} characters)` : '')
    case 'bigint': case 'number': case 'boolean': return String(value)
    default: return typeof value
  }
}

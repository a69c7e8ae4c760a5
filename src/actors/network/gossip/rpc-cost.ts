/** What decoding an RPC costs, apart from the data of its messages. */
export interface RpcCost {
  /** Protobuf fields, nested ones included. */
  readonly fields: number
  /** Bytes other than message data. */
  readonly overhead: number
}

/** Most fields of an RPC: all that the decode limits allow, and a margin. */
const MAX_FIELDS = 20_000

/** The nested messages of a protobuf message, by field number. */
interface Shape { readonly [field: number]: Shape | undefined }
const LEAF: Shape = {}
const MESSAGE: Shape = {}
/** subscriptions, messages, control: IHAVE, IWANT, GRAFT, PRUNE with its peers, IDONTWANT. */
const RPC: Shape = { 1: LEAF, 2: MESSAGE, 3: { 1: LEAF, 2: LEAF, 3: LEAF, 4: { 2: LEAF }, 5: LEAF } }
const DATA_FIELD = 2

/**
 * Scans an RPC without decoding it. An empty field of two bytes costs a decoder as much as one of two megabytes, and the decode limits do
 * not bound fields that the decoder skips or overwrites (H72). `undefined` if it has more fields than an RPC can need, or is not protobuf.
 */
export function costOf(rpc: Uint8Array): RpcCost | undefined {
  const walk = new Walk(rpc)
  return walk.message(rpc.length, RPC) ? { fields: walk.fields, overhead: rpc.length - walk.data } : undefined
}

class Walk {
  fields = 0
  data = 0
  #at = 0

  constructor(private readonly bytes: Uint8Array) {}

  /** Scans a message that ends at `end`; false if it is malformed. */
  message(end: number, shape: Shape): boolean {
    while (this.#at < end) {
      if (++this.fields > MAX_FIELDS) return false
      const tag = this.#varint()
      if (tag === undefined || !this.#value(tag % 8, Math.floor(tag / 8), end, shape)) return false
    }
    return this.#at === end
  }

  #value(wire: number, field: number, end: number, shape: Shape): boolean {
    switch (wire) {
      case 0: return this.#varint() !== undefined && this.#at <= end
      case 1: return (this.#at += 8) <= end
      case 5: return (this.#at += 4) <= end
      case 2: {
        const length = this.#varint()
        if (length === undefined || this.#at + length > end) return false
        const inner = shape[field]
        if (inner !== undefined) return this.message(this.#at + length, inner)
        if (shape === MESSAGE && field === DATA_FIELD) this.data += length
        this.#at += length
        return true
      }
      // groups are deprecated, and could nest without limit
      default: return false
    }
  }

  /** A varint of at most 64 bits. */
  #varint(): number | undefined {
    let value = 0
    for (let at = 0, factor = 1; at < 10; at++, factor *= 128) {
      const byte = this.bytes[this.#at++]
      if (byte === undefined) return undefined
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
    return undefined
  }
}

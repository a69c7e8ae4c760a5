/** What an RPC costs to decode, beside the data of its messages. */
export interface RpcCost {
  /** Protobuf fields, in it and in what it holds. */
  readonly fields: number
  /** Bytes that are no message's data. */
  readonly overhead: number
}

/** Fields of an RPC at most: all that the decode limits allow, and a margin. */
const MAX_FIELDS = 20_000

/** The fields of a message that hold messages, by number. */
interface Shape { readonly [field: number]: Shape | undefined }
const LEAF: Shape = {}
const MESSAGE: Shape = {}
/** subscriptions, messages, control: IHAVE, IWANT, GRAFT, PRUNE with its peers, IDONTWANT. */
const RPC: Shape = { 1: LEAF, 2: MESSAGE, 3: { 1: LEAF, 2: LEAF, 3: LEAF, 4: { 2: LEAF }, 5: LEAF } }
const DATA_FIELD = 2

/**
 * Walks over an RPC without decoding it: an empty field of two bytes costs a decoder as much as one of two megabytes, and nothing bounds
 * how many there are of those that it skips, overwrites or holds once (H72). `undefined`: more fields than an RPC can need, or no protobuf.
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

  /** Whether what ends at `end` is a message. */
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
      // groups are long gone from protobuf, and nest without an end
      default: return false
    }
  }

  /** As many bytes as 64 bits take at most. */
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

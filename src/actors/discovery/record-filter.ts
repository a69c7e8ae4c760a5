import { ENR } from '@chainsafe/enr'
import { LRUCache } from 'lru-cache'
import { udpEndpoint } from './candidate.js'
import { scopeOf } from './ip.js'
import type { Ip, AddressScope } from './ip.js'

export interface RecordFilterNeeds {
  /** What we speak ourselves. */
  readonly family: 4 | 6
  /** Whether an address that reaches so far may be used, of this node (reach-rules.ts). */
  allows(nodeId: string, reach: AddressScope): boolean
  /** Our own socket: discv5 never answers a request to it, and a lookup would wait for that. */
  isOwn(ip: Ip, port: number): boolean
}

/** Records that were looked at lately. */
const MAX_REMEMBERED = 4_096
/** What discv5 counts sequence numbers in, when it writes them. */
const HIGHEST_SEQ = BigInt(Number.MAX_SAFE_INTEGER)

/**
 * Whether discv5 may see a record of somebody else at all. Its signature is right, but the signer is free in what it says, and discv5
 * 11.0.0 believes it: addresses of the wrong length make it throw, in a timer too, which ends the process; and a record that it does not
 * write as it was signed makes every answer of ours unreadable that holds it.
 */
export class RecordFilter {
  readonly #seen = new LRUCache<string, boolean>({ max: MAX_REMEMBERED })

  constructor(private readonly needs: RecordFilterNeeds) {}

  isSound(record: ENR): boolean {
    // a record is what was signed; what may be reached can change, and is looked at each time
    if (!this.#isReachable(record)) return false
    const key = `${record.nodeId} ${record.seq} ${Buffer.from(record.signature).toString('base64')}`
    let sound = this.#seen.get(key)
    if (sound === undefined) {
      sound = isWellFormed(record)
      this.#seen.set(key, sound)
    }
    return sound
  }

  #isReachable(record: ENR): boolean {
    const endpoint = udpEndpoint(record, this.needs.family)
    if (endpoint === undefined || this.needs.isOwn(endpoint.ip, endpoint.port)) return false
    return this.needs.allows(record.nodeId, scopeOf(endpoint.ip))
  }
}

/** Lengths that discv5 takes for granted. */
const LENGTHS: ReadonlyArray<readonly [string, number]> = [
  ['ip', 4], ['ip6', 16], ['udp', 2], ['udp6', 2], ['tcp', 2], ['tcp6', 2], ['quic', 2], ['quic6', 2], ['secp256k1', 33],
]

function isWellFormed(record: ENR): boolean {
  if (record.seq > HIGHEST_SEQ) return false
  for (const value of record.kvs.values()) if (!((value as unknown) instanceof Uint8Array)) return false
  for (const [key, length] of LENGTHS) {
    const value = record.kvs.get(key)
    if (value !== undefined && value.length !== length) return false
  }
  try {
    // throws where it is too long, or where what would be sent on is not what was signed
    return ENR.decode(new ENR(record.kvs, record.seq, record.signature).encode()).nodeId === record.nodeId
  } catch {
    return false
  }
}


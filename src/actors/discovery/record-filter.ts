import { ENR } from '@chainsafe/enr'
import { LRUCache } from 'lru-cache'
import { udpEndpoint } from './candidate.js'
import { scopeOf } from './ip.js'
import type { Ip, AddressScope } from './ip.js'

export interface RecordFilterNeeds {
  /** The IP version that we use. */
  readonly family: 4 | 6
  /** Whether an address of this scope may be used for this node (`address-scope-rules.ts`). */
  allows(nodeId: string, reach: AddressScope): boolean
  /** Whether an endpoint is our own socket. discv5 does not answer requests to itself, so a lookup would wait for the time-out. */
  isOwn(ip: Ip, port: number): boolean
}

/** Maximum number of records whose check is cached. */
const MAX_REMEMBERED = 4_096
/** The largest sequence number that discv5 can encode. */
const HIGHEST_SEQ = BigInt(Number.MAX_SAFE_INTEGER)

/**
 * Decides whether discv5 may see the record of another node. A valid signature says nothing of the content, and discv5 11.0.0 does not check it:
 * addresses of the wrong length make it throw, even in a timer, which ends the process; and a record that it re-encodes differently from what
 * was signed makes each of our answers that contain it unreadable.
 */
export class RecordFilter {
  readonly #seen = new LRUCache<string, boolean>({ max: MAX_REMEMBERED })

  constructor(private readonly needs: RecordFilterNeeds) {}

  isSound(record: ENR): boolean {
    // the content of a record never changes, so its check is cached; which addresses may be used can change, so that is checked each time
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

/** The lengths in bytes that discv5 assumes. */
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
    // throws if the record is too long, or if its re-encoding differs from what was signed
    return ENR.decode(new ENR(record.kvs, record.seq, record.signature).encode()).nodeId === record.nodeId
  } catch {
    return false
  }
}


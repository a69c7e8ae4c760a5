import { Handle, dropOldest, mailbox, reject } from '../kernel/index.js'
import type { ENR, SignableENR } from '@chainsafe/enr'
import type { Ask, Deadline } from '../kernel/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { DriverEvent, PeerInfo } from '../network/ingress.js'
import type { Endpoint } from './external-address-votes.js'

export interface DiscoveryFigures {
  /** Nodes in the routing table. */
  readonly known: number
  /** Saved peers, which are dialled first after a restart. */
  readonly remembered: number
  readonly lookups: number
  /** Records seen of another chain, or without a chain. */
  readonly otherChain: number
  readonly dialled: number
  readonly dialsFailed: number
  /** Candidates for dials, connected or not. */
  readonly candidates: number
  /** Records refused: malformed, or with addresses that must not be used. */
  readonly unfit: number
  /** Packets dropped by the rate limits. */
  readonly packetsDropped: number
}

export type DiscoveryMessage =
  /** An event of the driver: its addresses, or a peer that connected or disconnected. */
  | { readonly type: 'driver'; readonly event: DriverEvent }
  /** Our ENR in its text form, `enr:…`. */
  | Ask<'enr', object, string>
  /** The routing table, each record in its text form. */
  | Ask<'table', object, readonly string[]>
  | Ask<'figures', object, DiscoveryFigures>
  /** Adds a bootnode. The answer comes before it is contacted; a bad one is refused with a `DiscoveryError`. */
  | Ask<'addBootnode', { bootnode: string }, void>
  /** A node contacted us, or another node named it. Sent by the actor itself. */
  | { readonly type: 'found'; readonly record: ENR }

/** Results of the actor's own asynchronous operations. Never sent by others. */
export type DiscoveryInternal =
  | { readonly type: 'lookedUp'; readonly records: readonly ENR[] }
  | { readonly type: 'peersSeen'; readonly peers: readonly PeerInfo[] | undefined }
  | { readonly type: 'dialled'; readonly key: string; readonly peer: PeerKey; readonly address: string; /** `undefined`: connected. */ readonly error: unknown }
  /** The result of a PING. */
  | { readonly type: 'pinged'; readonly record: ENR; /** Our endpoint as the node sees it; `undefined`: no answer. */ readonly endpoint: Endpoint | undefined }
  | { readonly type: 'bootnodeAsked'; readonly bootnode: string; readonly record: ENR | undefined; readonly endpoint: Endpoint | undefined; readonly error: unknown }
  | { readonly type: 'recordStored'; readonly record: SignableENR; readonly error: unknown }
  | { readonly type: 'knownSaved'; readonly error: unknown }

export type DiscoveryEvent =
  /** Discovery listens, with this ENR. Emitted again whenever the ENR changes. */
  | { readonly type: 'enr'; readonly enr: string }
  /** A node of our chain was found and is to be dialled. */
  | { readonly type: 'discovered'; readonly peer: PeerKey; readonly address: string }
  | { readonly type: 'bootnodeFailed'; readonly bootnode: string; readonly code: string; readonly error: unknown }

export const discoveryMailbox = mailbox<DiscoveryMessage>({
  capacity: 1_024,
  whenFull: {
    driver: dropOldest('peers are counted anew at the next lookup'),
    enr: reject('the caller is told'),
    table: reject('the caller is told'),
    figures: reject('the caller is told'),
    addBootnode: reject('the caller is told'),
    found: dropOldest('the next lookup finds it again'),
  },
})

/** Finds peers by discv5 (SPEC §8). */
export class Discovery extends Handle<DiscoveryMessage> {
  driver(event: DriverEvent) { return this.send({ type: 'driver', event }) }
  enr(within: Deadline) { return this.ask('enr', {}, within) }
  table(within: Deadline) { return this.ask('table', {}, within) }
  figures(within: Deadline) { return this.ask('figures', {}, within) }
  addBootnode(bootnode: string, within: Deadline) { return this.ask('addBootnode', { bootnode }, within) }
}

import { Handle, dropOldest, mailbox, reject } from '../kernel/index.js'
import type { Ask, Deadline } from '../kernel/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { DriverEvent } from '../network/ingress.js'

export interface DiscoveryFigures {
  /** Nodes in the routing table. */
  readonly known: number
  readonly lookups: number
  /** Candidates seen with another chain, or with none. */
  readonly otherChain: number
  readonly dialled: number
  readonly dialsFailed: number
}

export type DiscoveryMessage =
  /** What the driver reports: its addresses, and who came and went. */
  | { readonly type: 'driver'; readonly event: DriverEvent }
  /** Our ENR in its text form, `enr:…`. */
  | Ask<'enr', object, string>
  | Ask<'figures', object, DiscoveryFigures>
  | Ask<'addBootnode', { bootnode: string }, void>

export type DiscoveryEvent =
  /** Bound and known to others under this ENR; told again whenever it changes. */
  | { readonly type: 'enr'; readonly enr: string }
  /** A node of our chain was found and is to be dialled. */
  | { readonly type: 'discovered'; readonly peer: PeerKey; readonly address: string }
  | { readonly type: 'bootnodeFailed'; readonly bootnode: string; readonly code: string; readonly error: unknown }

export const discoveryMailbox = mailbox<DiscoveryMessage>({
  capacity: 1_024,
  whenFull: {
    driver: dropOldest('peers are counted anew at the next lookup'),
    enr: reject('the caller is told'),
    figures: reject('the caller is told'),
    addBootnode: reject('the caller is told'),
  },
})

/** Finds peers by discv5 (SPEC §8). */
export class Discovery extends Handle<DiscoveryMessage> {
  driver(event: DriverEvent) { return this.send({ type: 'driver', event }) }
  enr(within: Deadline) { return this.ask('enr', {}, within) }
  figures(within: Deadline) { return this.ask('figures', {}, within) }
  addBootnode(bootnode: string, within: Deadline) { return this.ask('addBootnode', { bootnode }, within) }
}

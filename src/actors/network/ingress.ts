import { Handle, coalesce, keep, mailbox, reject } from '../kernel/index.js'
import type { Ask, Deadline, Port } from '../kernel/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { Verdict } from '../chain/ports.js'
import type { Connections } from '../reputation/ingress.js'
import type { NetworkFigures, Refusal, Violation } from './figures.js'

export type { NetworkFigures, Refusal, Violation } from './figures.js'

export type Topic = 'commitments' | 'txLists'
import type { RequestKind } from '../../protocol/index.js'
export type { RequestKind } from '../../protocol/index.js'

/** A connected (or refused) peer, as the driver sees it. */
export interface PeerInfo {
  readonly peer: PeerKey
  readonly addresses: readonly string[]
  readonly direction: 'inbound' | 'outbound'
  readonly connections: number
  /** As identify tells it; empty before. */
  readonly agent: string
  readonly protocols: readonly string[]
  /** Whether the peer is in our mesh, by topic. */
  readonly mesh: { readonly commitments: boolean; readonly txLists: boolean }
  /** gossipsub's score of the peer. */
  readonly score: number
  readonly latencyMs: number | undefined
  /** It closed on us within 1 s of connecting: a ban on its side (SPEC §10). */
  readonly refused: boolean
}

export interface Published { readonly recipients: number }
export interface Response {
  readonly peer: PeerKey
  /** The SSZ body, cap checked, not yet decoded. */
  readonly body: Uint8Array
  /** Of the exchange, without the wait for its turn. */
  readonly ms: number
  /** How many more requests of this kind the peer can be sent now; where none, in how many ms (`undefined`: when one has ended). */
  readonly places: { readonly now: number; readonly inMs: number | undefined }
}

export type ConnectionsMessage = Connections extends Port<infer M> ? M : never

export type NetworkCommand =
  | Ask<'publish', { topic: Topic; bytes: Uint8Array }, Published>
  /** The verdict on a gossip message; one that is unknown, or came too late, only loses the forwarding. */
  | { readonly type: 'verdict'; readonly messageId: string; readonly peer: PeerKey; readonly verdict: Verdict; readonly reason?: string | undefined; /** Its author is to blame, and no relay (SPEC §6). */ readonly ofAuthor?: boolean }
  /** From chain: authors whose commitments were refused may be right now. */
  | { readonly type: 'scheduleChanged' }
  /** The answer to an inbound request: an SSZ body without its frame. */
  | { readonly type: 'answer'; readonly request: number; readonly body: Uint8Array }
  /** Asks a peer. Without a named one the driver chooses. Waits for the quota of SPEC §8; at most 15 s after its turn. */
  | Ask<'request', { kind: RequestKind; body: Uint8Array; peer?: PeerKey | undefined; exclude?: readonly PeerKey[] | undefined }, Response>
  | Ask<'dial', { address: string }, PeerKey>
  /** Lets exchanges under way finish first (SPEC §8, H40). */
  | Ask<'hangUp', { peer: PeerKey }, void>
  | Ask<'peers', object, readonly PeerInfo[]>
  | Ask<'addresses', object, { readonly peerId: PeerKey; readonly addresses: readonly string[] }>
  /** Everything that the driver counts, since its last start. */
  | Ask<'figures', object, NetworkFigures>
  /** Takes back that a peer has refused us (`peerRefused`): it may be dialled again, and a static one is. */
  | { readonly type: 'forgive'; readonly peer: PeerKey }
  /** From reputation (`Connections`): hang up once exchanges under way are over (H40); drop gossipsub's score; ask the lists again. */
  | ConnectionsMessage

export const networkMailbox = mailbox<NetworkCommand>({
  capacity: 8_192,
  whenFull: {
    publish: reject('the caller is told'),
    verdict: keep('one a gossip message in the validator or in chain, whose mailboxes are bounded'),
    scheduleChanged: coalesce('one says as much as two', () => 'schedule'),
    answer: keep('one an inbound request, whose number is bounded'),
    request: reject('the caller is told'),
    dial: reject('the caller is told'),
    hangUp: reject('the caller is told'),
    peers: reject('the caller is told'),
    addresses: reject('the caller is told'),
    figures: reject('the caller is told'),
    forgive: reject('the caller is told'),
    expel: keep('one a ban or listed peer, and the gate refuses what it sends meanwhile'),
    forgetScore: keep('one a ban that ends'),
    reviewConnections: keep('one a change of the lists by the operator'),
  },
})

/** What the driver reports of itself and of its peers. */
export type DriverEvent =
  | { readonly type: 'started'; readonly peerId: PeerKey; readonly addresses: readonly string[] }
  | { readonly type: 'peerConnected'; readonly peer: PeerKey; readonly address: string; readonly direction: 'inbound' | 'outbound' }
  | { readonly type: 'peerDisconnected'; readonly peer: PeerKey }
  /** The peer closed within 1 s of connecting (SPEC §10): not dialled again for hours. */
  | { readonly type: 'peerRefused'; readonly peer: PeerKey }
  /** identify is done and the peer speaks our protocols: it can be asked. */
  | { readonly type: 'peerReady'; readonly peer: PeerKey; readonly agent: string }
  /** Refused before the pipeline. `topic` is one of ours by its short name, or the text that came. Told at a limited rate. */
  | { readonly type: 'refused'; readonly topic: string; readonly from: PeerKey | undefined; readonly reason: Refusal; /** Rejected: the sender is to blame. */ readonly penalty: boolean }
  /** An inbound request was answered; with 0 bytes where nobody found an answer in time. Told at a limited rate. */
  | { readonly type: 'served'; readonly peer: PeerKey; readonly kind: RequestKind; readonly bytes: number }
  /** A remote broke the protocol on a stream, or did not keep a deadline. Told at a limited rate. */
  | { readonly type: 'violation'; readonly peer: PeerKey; readonly kind: RequestKind | 'gossip' | 'connection'; readonly violation: Violation; readonly code: string }

/** The driver's mailbox, as the other rooms hold it. */
export class NetworkHandle extends Handle<NetworkCommand> {
  /** Publishes to a topic; answers with the number of peers it went to. */
  publish(topic: Topic, bytes: Uint8Array, within: Deadline) { return this.ask('publish', { topic, bytes }, within) }
  verdict(messageId: string, peer: PeerKey, verdict: Verdict, reason?: string, ofAuthor = false) { return this.send({ type: 'verdict', messageId, peer, verdict, reason, ofAuthor }) }
  scheduleChanged() { return this.send({ type: 'scheduleChanged' }) }
  answer(request: number, body: Uint8Array) { return this.send({ type: 'answer', request, body }) }
  /** One request to a peer (SPEC §3, §8): its SSZ body, or a `RequestError`. */
  request(kind: RequestKind, body: Uint8Array, options: { peer?: PeerKey | undefined; exclude?: readonly PeerKey[] | undefined }, within: Deadline) {
    return this.ask('request', { kind, body, peer: options.peer, exclude: options.exclude }, within)
  }
  dial(address: string, within: Deadline) { return this.ask('dial', { address }, within) }
  hangUp(peer: PeerKey, within: Deadline) { return this.ask('hangUp', { peer }, within) }
  peers(within: Deadline) { return this.ask('peers', {}, within) }
  addresses(within: Deadline) { return this.ask('addresses', {}, within) }
  figures(within: Deadline) { return this.ask('figures', {}, within) }
  forgive(peer: PeerKey) { return this.send({ type: 'forgive', peer }) }
  expel(peer: PeerKey, reason: string) { return this.send({ type: 'expel', peer, reason }) }
  forgetScore(peer: PeerKey) { return this.send({ type: 'forgetScore', peer }) }
  reviewConnections() { return this.send({ type: 'reviewConnections' }) }
}

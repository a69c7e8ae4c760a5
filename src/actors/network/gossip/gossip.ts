import type { GossipSub, GossipsubMessage } from '@libp2p/gossipsub'
import { MAX_TXLIST_BYTES, SIGNED_COMMITMENT_SIZE, TXLIST_HEADER_SIZE, gossipParams, isPlausible } from '../../../protocol/index.js'
import type { Topics } from '../../../protocol/index.js'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Verdict } from '../../chain/ports.js'
import type { Clock, Random } from '../../kernel/index.js'
import type { PeerStanding } from '../../reputation/ingress.js'
import type { Validator } from '../../validator/ingress.js'
import { verifyAuthorsAside } from './author-signatures.js'
import { AuthorVerifier } from './author-verifier.js'
import type { Authors as VerifyingAuthors } from './author-verifier.js'
import { Authors } from './authors.js'
import type { GossipLimits } from '../config.js'
import { NetworkError, describeError, errorName } from '../errors.js'
import type { Counters, Refusal, Violation } from '../figures.js'
import { RpcBudget } from './rpc-budget.js'
import { canonicalEnvelope } from './envelope.js'
import type { GossipsubInternals, RpcMessage } from './gossipsub-internals.js'
import type { Guard } from '../errors.js'
import { InboundPace } from './pacing.js'
import { installInboundPipeline } from './inbound-pipeline.js'
import type { InboundStage } from './inbound-pipeline.js'
import { MessageIdForms } from './message-id-forms.js'
import type { MessageIdForm, MessageIdFormCounts } from './message-id-forms.js'
import { costOf } from './rpc-cost.js'
import type { Topic } from '../ingress.js'
import { beyondShare } from './mesh-places.js'
import { OutboundBuffers, leaveMesh } from './outbound-buffers.js'
import { PartialRpcs } from './partial-rpcs.js'
import { leaveAuthorOut } from '../workarounds/forward-to-author.js'
import { liveScores } from '../workarounds/live-scores.js'
import { forgetDeparted, forgetScore, keepScores } from '../workarounds/score-over-reconnection.js'

/** Ignore reasons that depend on our own state and not on the message: its id is forgotten, so that a copy can be judged (SPEC §5, H67). */
const REASONS_OF_OURS: ReadonlySet<string> = new Set([
  'no_room', 'overloaded', 'not_held', 'schedule_unknown', 'store_behind', 'store_unavailable', 'rules_failed', 'rules_overloaded',
])

/** Mesh places that one address may hold. */
const MESH_PLACES_OF_ADDRESS = gossipParams.D / 2
/** Proven peers outside the mesh that our own messages go to: as many as a mesh has. */
const PROVEN_AT_ONCE = gossipParams.D

/** Largest message of each topic, bytes. */
export const MESSAGE_SIZES: Record<Topic, number> = {
  commitments: SIGNED_COMMITMENT_SIZE,
  txLists: TXLIST_HEADER_SIZE + MAX_TXLIST_BYTES,
}

export interface GossipNeeds {
  readonly pubsub: GossipSub
  readonly internals: GossipsubInternals
  readonly topics: Topics
  readonly self: PeerKey
  readonly validator: Pick<Validator, 'commitment' | 'txList'>
  readonly clock: Clock
  readonly random: Random
  readonly counters: Counters
  readonly limits: GossipLimits
  /** Starts the thread that verifies authors' signatures; called once there is enough traffic. */
  readonly startAuthors: () => VerifyingAuthors
  readonly guarded: Guard
  readonly standing: PeerStanding
  /** Our form of message ids, and the callback for when most peers begin or cease to use the other one. */
  readonly messageIds: MessageIdForm
  otherIdForm(isOther: boolean, counts: MessageIdFormCounts): void
  /** The address of a connected peer, and who dialled; without an address if no limit by address applies. */
  origin(peer: PeerKey): { readonly address: string | undefined; readonly outbound: boolean }
  /** Static, or protected by the operator. */
  isProtected(peer: PeerKey): boolean
  isConnected(peer: PeerKey): boolean
  /** Banned or on a list. */
  isBlocked(peer: PeerKey): boolean
  /** The peer broke the protocol, whatever the content of its messages. `hangUp`: the connection is of no more use. */
  violated(peer: PeerKey, violation: Violation, code: string, hangUp: boolean): void
  refused(topic: string, from: PeerKey | undefined, reason: Refusal, penalty: boolean): void
}

/** A message that awaits its verdict. */
interface Pending {
  readonly topic: Topic
  readonly source: PeerKey
  readonly author: PeerKey
  readonly until: number
  /** The key under which gossipsub recognises copies before computing their id. */
  readonly fastId: string | undefined
}

/**
 * Both directions of gossip. An inbound message passes these steps:
 *
 * 1. Before the seen cache and the author's signature (`inbound-pipeline.ts`): the sender's budget, the topic, a plausible size, and the
 *    canonical envelope. Failing messages are dropped after a look at a few bytes.
 * 2. gossipsub verifies the author and asks its seen cache, by the message id of SPEC §5.
 * 3. The message goes to the validator and waits here for its verdict, 6 s at most.
 * 4. gossipsub gets the verdict, and forwards an accepted message to all but its senders and its author. The id of a message that was
 *    ignored for a reason of our own is forgotten, so that another copy can be judged (H67).
 */
export class Gossip {
  readonly #needs: GossipNeeds
  readonly #guard: OutboundBuffers
  readonly #pace: InboundPace
  readonly #authors: Authors
  readonly #budget: RpcBudget
  readonly #partial: PartialRpcs
  readonly #forms: MessageIdForms
  readonly #names: ReadonlyMap<string, Topic>
  /** By message id, in order of their deadlines, since all have the same time. */
  readonly #pending = new Map<string, Pending>()
  /** One publication at a time per topic, so that a commitment never waits for a txlist. */
  readonly #publishing: Record<Topic, Promise<unknown>> = { commitments: Promise.resolve(), txLists: Promise.resolve() }

  constructor(needs: GossipNeeds) {
    this.#needs = needs
    this.#names = new Map<string, Topic>([[needs.topics.commitments, 'commitments'], [needs.topics.txLists, 'txLists']])
    this.#guard = new OutboundBuffers(needs.internals, needs.clock, {
      pauseOutboundBytes: needs.limits.pauseOutboundBytes,
      totalOutboundBytes: needs.limits.totalOutboundBytes,
      heldBack: () => { needs.counters.gossip.sendsHeldBack++ },
      prunedSilent: () => { needs.counters.gossip.prunedSilent++ },
      worthy: subscribers => this.#worthy(subscribers),
    })
    const isProven = (peer: PeerKey): boolean => needs.standing.appScore(peer) > 0 || needs.standing.isProtected(peer)
    this.#authors = new Authors(needs.clock)
    this.#budget = new RpcBudget(needs.limits, needs.clock, needs.random, {
      isKnown: message => this.#isKnown(message), isProven, authorship: (peer, { from }) => this.#authors.authorship(peer, from),
    })
    keepScores(needs.internals)
    liveScores(needs.internals, needs.standing)
    verifyAuthorsAside(needs.internals, new AuthorVerifier(needs.startAuthors), isProven)
    this.#forms = new MessageIdForms(needs.topics, needs.messageIds, (isOther, counts) => { needs.otherIdForm(isOther, counts) })
    this.#partial = new PartialRpcs({
      clock: needs.clock, maxBytes: needs.limits.maxPartialBytes, withinMs: needs.limits.partialWithinMs,
      stuck: (peer, code) => { needs.violated(peer, 'gossip_partial', code, true) },
    })
    this.#pace = new InboundPace(needs.internals, needs.clock)
    installInboundPipeline({
      gossipsub: needs.internals, topics: this.#names, partial: this.#partial, pace: this.#pace, stages: this.#stages(),
      malformed: (peer, error) => { this.#malformed(peer, errorName(error)) },
      broken: (peer, error) => { needs.violated(peer, 'gossip_frame', errorName(error), true) },
      badAuthor: (peer, name) => { this.#rejected(peer, name, 'bad_author') },
    })
    needs.pubsub.addEventListener('gossipsub:message', needs.guarded(({ detail }) => { this.#received(detail) }))
  }

  /** Messages that await their verdict. */
  get pending(): number { return this.#pending.size }
  /** Peers whose streams are paused, because they send more than we can handle. */
  get pausedPeers(): number { return this.#pace.paused }
  /** Bytes of RPCs that have started to arrive and are not handled yet. */
  get partialBytes(): number { return this.#partial.bytes }
  /** How many peers use which form of message ids. */
  get messageIdForms(): MessageIdFormCounts { return this.#forms.counts }
  /** Bytes in the fullest outbound buffer. */
  get largestBuffer(): number { return this.#guard.largest }

  /** Subscribes to our topics; to be called once gossipsub runs. */
  subscribe(): void { for (const topic of this.#names.keys()) this.#needs.pubsub.subscribe(topic) }

  /**
   * Publishes at once to every peer with room (SPEC §8), and waits only while none has room. Resolves to the number of recipients.
   * @throws NetworkError `too_large`, `duplicate`, `congested`, `publish_failed`
   */
  publish(topic: Topic, bytes: Uint8Array): Promise<number> {
    const limit = MESSAGE_SIZES[topic]
    if (bytes.length > limit) throw new NetworkError('too_large', `${bytes.length} bytes on ${topic}, at most ${limit}`, { value: bytes.length, limit })
    const published = this.#publishing[topic].then(() => this.#publish(topic, bytes))
    this.#publishing[topic] = published.catch(() => undefined)
    return published
  }

  /** The verdict on a message; an unknown or late one is only counted. @param ofAuthor the refusal is the author's fault and no relay's */
  verdict(messageId: string, verdict: Verdict, reason = '', ofAuthor = false): void {
    const pending = this.#pending.get(messageId)
    if (pending === undefined) { this.#needs.counters.gossip.verdictsUnknown++; return }
    if (ofAuthor) { this.#refuseAuthor(messageId, pending); return }
    if (verdict === 'accept' && pending.topic === 'commitments') this.#authors.accepted(pending.author)
    this.#report(messageId, pending, verdict)
    if (verdict === 'ignore' && REASONS_OF_OURS.has(reason)) this.#forget(messageId, pending)
  }

  /** Refused authors may be elected now. */
  scheduleChanged(): void { this.#authors.forgive() }

  /** The author is penalised where it is a known peer; a relay never is (H85). */
  #refuseAuthor(messageId: string, pending: Pending): void {
    const { author, source, topic } = pending
    this.#authors.refuse(author)
    this.#report(messageId, pending, author === source ? 'reject' : 'ignore')
    if (this.#needs.isConnected(author)) this.#refused(topic, author, 'refused_author', true)
  }

  /** Ignores messages without a verdict in time, and disconnects peers whose partial RPC has stalled. */
  expire(): void {
    this.#partial.expire()
    this.#guard.expire()
    const now = this.#needs.clock.monotonic()
    for (const [messageId, pending] of this.#pending) {
      if (pending.until > now) return
      this.#report(messageId, pending, 'ignore')
      this.#forget(messageId, pending)
      this.#refused(pending.topic, pending.source, 'no_verdict', false)
    }
  }

  /** Forgets peers that left without a bad score; returns the peers that do not read what we send. */
  sweep(): PeerKey[] {
    forgetDeparted(this.#needs.internals)
    for (const peer of this.#budget.sweep()) this.#needs.violated(peer, 'gossip_flood', 'over_budget', false)
    return this.#guard.sweep()
  }

  /** At every heartbeat: limits the mesh places of each address (H71). */
  shareMeshes(): void {
    const { internals } = this.#needs
    for (const [topic, peers] of internals.mesh) {
      const mesh = [...peers].map(peer => ({ peer, score: internals.getScore(peer), ...this.#needs.origin(peer) }))
      for (const peer of beyondShare(mesh, MESH_PLACES_OF_ADDRESS)) {
        leaveMesh(internals, peer, topic)
        this.#needs.counters.gossip.prunedOfAddress++
      }
    }
  }

  /** A peer's ban ended: gossipsub forgets its score (SPEC §8). */
  forgetScore(peer: PeerKey): void { forgetScore(this.#needs.internals, peer) }

  inMesh(peer: PeerKey): Record<Topic, boolean> {
    const { internals, topics } = this.#needs
    return {
      commitments: internals.getMeshPeers(topics.commitments).includes(peer),
      txLists: internals.getMeshPeers(topics.txLists).includes(peer),
    }
  }

  async #publish(topic: Topic, bytes: Uint8Array): Promise<number> {
    const { counters, limits, pubsub, topics } = this.#needs
    if (!await this.#guard.ready(topics[topic], bytes.length, limits.publishWithinMs)) {
      throw new NetworkError('congested', `nobody had room for it within ${limits.publishWithinMs} ms`, { value: this.#guard.largest })
    }
    try {
      const { recipients } = await pubsub.publish(topics[topic], bytes)
      counters.gossip.published[topic]++
      counters.gossip.publishedBytes[topic] += bytes.length
      return recipients.length
    } catch (cause) {
      const duplicate = describeError(cause).includes('Duplicate')
      throw new NetworkError(duplicate ? 'duplicate' : 'publish_failed', `${topic}: ${describeError(cause)}`, { value: bytes.length, cause })
    }
  }

  /** The stages of step 1, in order. */
  #stages(): readonly InboundStage[] {
    const { score } = this.#needs.internals
    // the library's own function, which the pipeline replaces by one that counts authors
    const penalise = score.rejectInvalidMessage.bind(score)
    return [
      // budget for decoding, before an RPC is decoded
      {
        bytes: (peer, rpc) => {
          const cost = costOf(rpc)
          if (cost === undefined) this.#malformed(peer, 'too_many_fields')
          else if (this.#budget.admitBytes(peer, cost)) return true
          else this.#refused('control', peer, 'over_budget', false)
          return false
        },
      },
      // budget for messages, before any work on them
      {
        rpc: (peer, rpc) => {
          const admitted = this.#budget.admit(peer, rpc)
          for (const { topic } of admitted.refused) this.#refused(this.#names.get(topic) ?? topic, peer, 'over_budget', false)
          for (const { topic } of admitted.ofRefused) this.#refused(this.#names.get(topic) ?? topic, peer, 'refused_author', false)
          if (admitted.refusedControls) this.#refused('control', peer, 'over_budget', false)
          for (const { topic } of admitted.rpc.messages) if (!this.#names.has(topic)) this.#refused(topic, peer, 'unknown_topic', false)
          return admitted.rpc
        },
      },
      this.#forms,
      // the sender may have been banned meanwhile
      {
        message: (peer, topic, message) => {
          if (!this.#needs.isBlocked(peer)) return message
          this.#refused(topic, peer, 'blocked', false)
          return undefined
        },
      },
      // not plausible for its topic
      {
        message: (peer, topic, message) => {
          const reason = this.#impossible(topic, message)
          if (reason === undefined) return message
          penalise(peer, message.topic)
          this.#rejected(peer, message.topic, reason)
          return undefined
        },
      },
      // the canonical envelope
      {
        message: (peer, topic, message) => {
          const canonical = canonicalEnvelope(message)
          if (canonical === undefined) this.#refused(topic, peer, 'envelope', false)
          return canonical
        },
      },
    ]
  }

  #malformed(peer: PeerKey, code: string): void {
    this.#needs.counters.gossip.malformedRpcs++
    this.#needs.violated(peer, 'gossip_rpc', code, false)
  }

  #rejected(peer: PeerKey, name: string, reason: Refusal): void {
    const topic = this.#names.get(name)
    if (topic === undefined) return
    this.#needs.counters.gossip.verdicts[topic].reject++
    this.#refused(topic, peer, reason, true)
  }

  /** Static and protected peers, and the best few of the proven ones. */
  #worthy(subscribers: Iterable<PeerKey>): readonly PeerKey[] {
    const { internals, standing } = this.#needs
    const kept: PeerKey[] = []
    const proven: Array<readonly [PeerKey, number]> = []
    for (const peer of subscribers) {
      if (this.#needs.isProtected(peer)) kept.push(peer)
      else if (standing.appScore(peer) > 0) proven.push([peer, internals.getScore(peer)])
    }
    return [...kept, ...proven.sort(([, a], [, b]) => b - a).slice(0, PROVEN_AT_ONCE).map(([peer]) => peer)]
  }

  #isKnown(message: RpcMessage): boolean {
    const { fastMsgIdCache, fastMsgIdFn } = this.#needs.internals
    return fastMsgIdCache.has(fastMsgIdFn(message))
  }

  #impossible(topic: Topic, { topic: name, data }: RpcMessage): Refusal | undefined {
    const bytes = data ?? new Uint8Array(0)
    if (bytes.length > MESSAGE_SIZES[topic]) return 'oversize'
    return isPlausible(this.#needs.topics, name, bytes) ? undefined : 'undecodable'
  }

  /** Step 3. */
  #received({ msg, msgId, propagationSource }: GossipsubMessage): void {
    const { clock, counters, internals, limits, self } = this.#needs
    const topic = this.#names.get(msg.topic)
    if (topic === undefined || msg.type !== 'signed') return
    const message = internals.mcache.msgs.get(msgId)?.message
    const pending: Pending = {
      topic, source: propagationSource.toString(), author: msg.from.toString(), until: clock.monotonic() + limits.verdictWithinMs,
      fastId: message === undefined ? undefined : internals.fastMsgIdFn(message),
    }
    const refuse = (reason: Refusal): void => {
      this.#report(msgId, pending, 'ignore')
      if (reason === 'overloaded') this.#forget(msgId, pending)
      this.#refused(topic, pending.source, reason, false)
    }
    this.#forms.known(msgId, msg.topic, msg.data)
    if (pending.author === self) { refuse('own_message'); return }
    if (this.#pending.size >= limits.maxPending) { refuse('overloaded'); return }
    this.#pending.set(msgId, pending)
    if (!this.#handOn(topic, msg.data, pending.source, msgId)) { refuse('overloaded'); return }
    counters.gossip.received[topic]++
    counters.gossip.receivedBytes[topic] += msg.data.length
  }

  /** Copies the bytes: gossipsub keeps its own for forwarding, as part of a larger buffer. */
  #handOn(topic: Topic, data: Uint8Array, peer: PeerKey, messageId: string): boolean {
    const { validator } = this.#needs
    const origin = { kind: 'gossip', peer, messageId } as const
    const bytes = new Uint8Array(data)
    const feedback = topic === 'commitments' ? validator.commitment(bytes, origin) : validator.txList(bytes, origin)
    return feedback === 'ok' || feedback === 'backoff'
  }

  /** Step 4. */
  #report(messageId: string, { author, source, topic }: Pending, verdict: Verdict): void {
    const { counters, internals } = this.#needs
    this.#pending.delete(messageId)
    counters.gossip.verdicts[topic][verdict]++
    if (verdict === 'accept') leaveAuthorOut(internals.mcache, messageId, author)
    internals.reportMessageValidationResult(messageId, source, verdict)
  }

  /** Frees the id, so that another copy is judged like the first. */
  #forget(messageId: string, { fastId }: Pending): void {
    const { fastMsgIdCache, seenCache } = this.#needs.internals
    seenCache.entries.delete(messageId)
    if (fastId !== undefined) fastMsgIdCache.entries.delete(fastId)
    this.#needs.counters.gossip.idsForgotten++
  }

  #refused(topic: string, from: PeerKey | undefined, reason: Refusal, penalty: boolean): void {
    this.#needs.counters.gossip.refused[topic === 'commitments' || topic === 'txLists' ? topic : 'other'][reason]++
    this.#needs.refused(topic.slice(0, 200), from, reason, penalty)
  }
}

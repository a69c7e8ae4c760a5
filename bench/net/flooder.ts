import { setTimeout as sleep } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import type { GossipsubInternals, RpcMessage } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { bareGossip, topics } from './bare-gossip.js'
import { createBare } from './bare-libp2p.js'
import type { BareNode } from './bare-libp2p.js'
import { evenly } from './pace.js'
import type { FloodReport } from './wire.js'

/** Identities that send at once. */
const AT_ONCE = 4
/** Messages under one identity: more than a peer's budget of 10 s. */
const MESSAGES = 700
/** How long a stream may take to open, ms. */
const OPEN_WITHIN = 2_000

interface Attacker { readonly node: BareNode; readonly internals: GossipsubInternals; sent: number }

/** Sends messages that are signed already over connections of ever new identities: whoever is refused or has sent its share is replaced. */
export class Flooder {
  readonly #victim: string
  #identities = 0
  #refused = 0

  constructor(private readonly address: string, private readonly messages: readonly RpcMessage[]) {
    this.#victim = address.slice(address.lastIndexOf('/') + 1)
  }

  async run(perSecond: number): Promise<FloodReport> {
    const share = Math.floor(this.messages.length / AT_ONCE)
    const sent = await Promise.all(Array.from({ length: AT_ONCE }, async (_, at) => this.#send(this.messages.slice(at * share, (at + 1) * share), perSecond / AT_ONCE)))
    return { sent: sent.reduce((sum, each) => sum + each, 0), identities: this.#identities, refused: this.#refused }
  }

  async #send(messages: readonly RpcMessage[], perSecond: number): Promise<number> {
    let sent = 0
    let attacker = await this.#attacker()
    let next: Promise<Attacker | undefined> | undefined
    await evenly(messages.length, perSecond, at => {
      if (attacker !== undefined && attacker.internals.sendRpc(this.#victim, { subscriptions: [], messages: [messages[at]!] })) {
        sent++
        if (++attacker.sent < MESSAGES) return
      } else {
        this.#refused++
      }
      // the old one goes on until its successor is there
      next ??= this.#attacker().then(successor => {
        if (successor === undefined) { next = undefined; return undefined }
        void attacker?.node.stop()
        attacker = successor
        next = undefined
        return successor
      })
    })
    await next
    await attacker?.node.stop()
    return sent
  }

  async #attacker(): Promise<Attacker | undefined> {
    const node = await createBare({ listen: false, gossip: bareGossip })
    const internals = node.services.pubsub as unknown as GossipsubInternals
    node.services.pubsub.subscribe(topics.commitments)
    this.#identities++
    try {
      await node.dial(multiaddr(this.address), { signal: AbortSignal.timeout(OPEN_WITHIN) })
      for (const until = performance.now() + OPEN_WITHIN; !internals.streamsOutbound.has(this.#victim); await sleep(5)) {
        if (performance.now() > until) throw new Error('no stream')
      }
      return { node, internals, sent: 0 }
    } catch {
      await node.stop()
      return undefined
    }
  }
}

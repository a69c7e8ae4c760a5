import type { PeerKey } from '../../src/protocol/peer-key.js'
import { reputation, spec, StandingView } from '../../src/actors/reputation/index.js'
import type { Outcome, ReputationEvent, ReputationNeeds, ReputationOptions } from '../../src/actors/reputation/index.js'
import { Book } from '../../src/actors/reputation/book.js'
import type { Change } from '../../src/actors/reputation/book.js'
import { Reputation } from '../../src/actors/reputation/ingress.js'
import type { Connections } from '../../src/actors/reputation/ingress.js'
import { seconds } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'

type ConnectionsMessage = Parameters<Connections['send']>[0]

/** Peer ids as an Ed25519 identity gives them. */
export const peerId = (name: string): PeerKey =>
  `12D3KooW${[...Buffer.from(name)].map(byte => 'ABCDEFGHJKLMNPQRSTUVWXYZ'[byte % 24]).join('').padEnd(44, 'x')}`
export const [alice, bob, mallory, trent] = ['alice', 'bob', 'mallory', 'trent'].map(peerId) as [PeerKey, PeerKey, PeerKey, PeerKey]

/** A store that keeps texts in memory, and fails when told to. */
export class TestStore {
  readonly values = new Map<string, string>()
  failing: Error | undefined
  writes = 0
  reads = 0

  async meta(name: string): Promise<string | undefined> {
    this.reads++
    if (this.failing !== undefined) throw this.failing
    return this.values.get(name)
  }

  async setMeta(name: string, value: string | null): Promise<void> {
    this.writes++
    if (this.failing !== undefined) throw this.failing
    if (value === null) this.values.delete(name)
    else this.values.set(name, value)
  }
}

/** The actor with everything around it in the test's hand. */
export async function room(options: ReputationOptions & { readonly kit?: ReturnType<typeof testKit> } = {}, needs: Partial<ReputationNeeds> = {}) {
  const { kit = testKit(), ...config } = options
  const store = new TestStore()
  const view = new StandingView()
  const events = kit.probe<ReputationEvent>('events')
  const connections = kit.probe<ConnectionsMessage>('connections')
  const all = { store, view, events, connections, ...needs }
  const ref = await kit.spawn(() => reputation(all, config))
  const peers = new Reputation(ref)
  /** What an ask comes to, once everybody has had their turn. */
  const answer = async <T>(asked: Promise<T>): Promise<T> => {
    const settled = asked.then(value => ({ value }), (error: unknown) => ({ error }))
    await kit.settle()
    const outcome = await settled
    if ('error' in outcome) throw outcome.error
    return outcome.value
  }
  return { ...kit, store, view: all.view, events, connections, ref, peers, answer }
}

export function fail(peers: Reputation, peer: PeerKey, { times = 1 } = {}): void {
  for (let time = 0; time < times; time++) void peers.report(peer, 'failure')
}

/** The rules without an actor: time passes when told to, a tick every ten seconds. */
export class Ticking {
  readonly book: Book
  readonly changes: Change[] = []
  /** Milliseconds; wall time and monotonic time are the same here. */
  now = 0
  /** What gossipsub says at every sample. */
  readonly gossip = new Map<PeerKey, number>()
  #nextTick: number

  constructor(readonly options: ReputationOptions = {}, readonly phase = seconds(10), publicKeyOf?: (peer: PeerKey) => Uint8Array | undefined) {
    this.book = new Book(spec(options), { publicKeyOf, failed: (where, error) => { throw new Error(where, { cause: error }) } })
    this.#nextTick = phase
  }

  report(peer: PeerKey, outcome: Outcome, times = 1): this {
    for (let time = 0; time < times; time++) this.changes.push(...this.book.report(peer, outcome, this.now))
    return this
  }

  pass(ms: number): this {
    const until = this.now + ms
    while (this.#nextTick <= until) {
      this.now = this.#nextTick
      this.#nextTick += spec(this.options).tickMs
      if (this.gossip.size > 0) this.book.gossipScores(new Map(this.gossip))
      this.changes.push(...this.book.tick(this.now, this.now))
    }
    this.now = until
    return this
  }

  reputation(peer: PeerKey): number { return Number(this.book.appScore(peer).toFixed(3)) }
  said(type: Change['type']): readonly Change[] { return this.changes.filter(change => change.type === type) }
}

import type { Make, Peer } from './nodes.js'

export type Topic = 'commitments' | 'txLists'

/** A message that was published, and who has to get it: whoever was in the network then. */
interface Entry {
  readonly topic: Topic
  readonly bytes: number
  /** One of a burst, or right behind a large txlist: it waits for what goes before it. */
  readonly crowded: boolean
  readonly by: Peer
  readonly at: number
  /** By name. */
  readonly waitingFor: Set<string>
  /** By SPEC §5, in hex. */
  readonly messageId: string
}

/** One delivery by gossip (a Rust peer), or by gossip or asking (ours). */
export interface Delivery { readonly topic: Topic; readonly bytes: number; readonly crowded: boolean; readonly from: Make; readonly to: Peer; readonly ms: number }

/** A delivery that took longer than this, in ms, was not the mesh's. */
export const LATE_MS = 5_000

/** Accounts of what was published and what arrived where. */
export class Ledger {
  readonly #entries = new Map<string, Entry>()
  readonly #deliveries: Delivery[] = []
  readonly #published = new Map<string, number>()
  /** Names of messages whose id the two makes do not agree on. */
  readonly otherIds: string[] = []

  published(key: string, entry: Omit<Entry, 'waitingFor'>, to: readonly Peer[]): void {
    const waitingFor = new Set(to.filter(peer => peer !== entry.by).map(({ name }) => name))
    this.#entries.set(key, { ...entry, waitingFor })
    this.#published.set(entry.by.name, (this.#published.get(entry.by.name) ?? 0) + 1)
  }

  delivered(key: string, to: Peer, at: number, messageId?: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    if (messageId !== undefined && messageId !== entry.messageId) this.otherIds.push(`${entry.topic} ${key}`)
    if (entry.waitingFor.delete(to.name)) {
      const { topic, bytes, crowded, by: { make: from } } = entry
      this.#deliveries.push({ topic, bytes, crowded, from, to, ms: Math.max(0, at - entry.at) })
    }
  }

  get messages(): number { return this.#entries.size }
  get bytes(): number { return [...this.#entries.values()].reduce((sum, { bytes }) => sum + bytes, 0) }
  publishedBy(name: string): number { return this.#published.get(name) ?? 0 }
  /** All that `which` accepts. */
  deliveries(which: (delivery: Delivery) => boolean = () => true): readonly Delivery[] { return this.#deliveries.filter(which) }

  /** What has not arrived, as `topic key by → to`. */
  missing(to?: string): readonly string[] {
    return [...this.#entries].flatMap(([key, { topic, by, waitingFor }]) =>
      [...waitingFor].filter(name => to === undefined || name === to).map(name => `${topic} ${key.slice(0, 12)} of ${by.name} → ${name}`))
  }

  /** Waits until everything has arrived; false where it has not within `ms`. */
  async settled(ms: number): Promise<boolean> {
    for (const end = performance.now() + ms; performance.now() < end;) {
      if ([...this.#entries.values()].every(({ waitingFor }) => waitingFor.size === 0)) return true
      await new Promise(resolve => { setTimeout(resolve, 10) })
    }
    return false
  }
}

/** The value that a share `q` of the samples stays at or below; `undefined` without samples. */
export function quantile(samples: readonly number[], q: number): number | undefined {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]
}

import { LRUCache } from 'lru-cache'
import type { NetworkEvent } from '../actors/service/index.js'

/** Peers of whom something is remembered, and the last of each; counts go on. */
const MAX_PEERS = 1_024
const LAST = 16
/** Reasons counted apart for one peer: they are ours, and few. */
const MAX_REASONS = 32

/** Something that a peer did, or that was done about it. Times in ms since the epoch. */
export interface Incident { readonly at: number; readonly what: 'rejected' | 'refused' | 'violation' | 'fault' | 'banned' | 'banLifted' | 'greylisted'; readonly reason: string }
interface Dossier { readonly counts: Map<string, number>; readonly last: Incident[] }

/** What each peer was found at lately, since this process began: why its score is what it is. */
export class Incidents {
  readonly #of = new LRUCache<string, Dossier>({ max: MAX_PEERS })

  /** @param at ms since the epoch */
  see(event: NetworkEvent, at: number): void {
    switch (event.type) {
      case 'rejected': if (event.verdict === 'reject') this.#note(event.from, { at, what: 'rejected', reason: event.reason }); break
      case 'refused': if (event.penalty) this.#note(event.from, { at, what: 'refused', reason: event.reason }); break
      case 'violation': this.#note(event.peer, { at, what: 'violation', reason: event.violation }); break
      case 'peerFault': if (event.penalty) this.#note(event.peer, { at, what: 'fault', reason: event.reason }); break
      case 'banned': this.#note(event.peer, { at, what: 'banned', reason: event.reason }); break
      case 'banLifted': this.#note(event.peer, { at, what: 'banLifted', reason: event.why }); break
      case 'greylisted': this.#note(event.peer, { at, what: 'greylisted', reason: 'score' }); break
      default:
    }
  }

  of(peer: string): { readonly counts: Readonly<Record<string, number>>; readonly last: readonly Incident[] } {
    const { counts, last } = this.#of.get(peer) ?? { counts: new Map<string, number>(), last: [] }
    return { counts: Object.fromEntries(counts), last }
  }

  #note(peer: string | undefined, incident: Incident): void {
    if (peer === undefined) return
    const { counts, last } = this.#of.get(peer) ?? { counts: new Map<string, number>(), last: [] }
    this.#of.set(peer, { counts, last })
    const reason = `${incident.what}: ${incident.reason.slice(0, 200)}`
    const key = counts.has(reason) || counts.size < MAX_REASONS ? reason : 'other'
    counts.set(key, (counts.get(key) ?? 0) + 1)
    last.push(incident)
    if (last.length > LAST) last.shift()
  }
}

import type { PeerKey } from '../../protocol/peer-key.js'
import type { Clock, Port } from '../kernel/index.js'
import type { Refusal, Violation } from './figures.js'
import type { DriverEvent, RequestKind } from './ingress.js'

/** What remotes cause by the thousand. */
type Frequent = 'refused' | 'violation' | 'served'

/** The driver's events on their way out. What remotes cause by the thousand is told at a limited rate each; the figures have all of it. */
export class Notices {
  readonly #port: Port<DriverEvent>
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #told: Record<Frequent, { second: number; count: number }> = {
    refused: { second: -1, count: 0 }, violation: { second: -1, count: 0 }, served: { second: -1, count: 0 },
  }

  constructor(port: Port<DriverEvent>, clock: Clock, perSecond: number) {
    this.#port = port
    this.#clock = clock
    this.#perSecond = perSecond
  }

  emit(event: DriverEvent): void {
    // events are for the application: a full port loses them, and says so itself
    void this.#port.send(event)
  }

  refused(topic: string, from: PeerKey | undefined, reason: Refusal, penalty: boolean): void {
    if (this.#may('refused')) this.emit({ type: 'refused', topic, from, reason, penalty })
  }

  violation(peer: PeerKey, kind: RequestKind | 'gossip' | 'connection', violation: Violation, code: string): void {
    if (this.#may('violation')) this.emit({ type: 'violation', peer, kind, violation, code })
  }

  served(peer: PeerKey, kind: RequestKind, bytes: number): void {
    if (this.#may('served')) this.emit({ type: 'served', peer, kind, bytes })
  }

  #may(type: Frequent): boolean {
    const told = this.#told[type]
    const second = Math.floor(this.#clock.monotonic() / 1_000)
    if (second !== told.second) { told.second = second; told.count = 0 }
    return ++told.count <= this.#perSecond
  }
}

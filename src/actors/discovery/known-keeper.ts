import type { Context } from '../kernel/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { Store } from '../store/ingress.js'
import type { DiscoveryConfig } from './config.js'
import type { DiscoveryInternal, DiscoveryMessage } from './ingress.js'
import { KnownPeers } from './known-peers.js'

/** The store's name for the saved peers. */
export const KNOWN_META = 'discovery.peers'

/** Saves the known peers a delay after they have changed. A failed write is retried. */
export class KnownKeeper {
  readonly peers: KnownPeers
  #saving = false
  #changed = false

  /** @param restored the saved text, if there is one */
  constructor(
    private readonly ctx: Context<DiscoveryMessage, DiscoveryInternal>, private readonly store: Pick<Store, 'setMeta'>,
    private readonly config: DiscoveryConfig, restored: string | undefined,
  ) {
    this.peers = new KnownPeers(config.knownPeers)
    const lost = restored === undefined ? 0 : this.peers.restore(restored)
    if (lost > 0) ctx.log.warn({ lost }, 'some saved peers cannot be read')
  }

  /** Notes that a peer was ready. What is left out stays as it was. */
  remember(peer: PeerKey, address: string | undefined, record: string | undefined): void {
    this.peers.succeeded(peer, { address, record })
    this.#saveSoon()
  }

  save(): void {
    this.#saving = true
    this.#changed = false
    this.ctx.pipe(this.#write(), { ok: () => ({ type: 'knownSaved', error: undefined }), failed: error => ({ type: 'knownSaved', error }) })
  }

  saved(error: unknown): void {
    this.#saving = false
    if (error !== undefined) this.ctx.log.warn({ error }, 'known peers are not stored')
    const again = error !== undefined || this.#changed
    this.#changed = false
    if (again) this.#saveSoon()
  }

  /** Writes unsaved changes before the stop. */
  async flush(): Promise<void> {
    if (!this.#changed && !this.#saving) return
    try {
      await this.#write()
    } catch (error) {
      this.ctx.log.warn({ error }, 'known peers are not stored')
    }
  }

  #write(): Promise<void> { return this.store.setMeta(KNOWN_META, this.peers.toText(), this.config.roomsWithin) }

  #saveSoon(): void {
    if (!this.#changed && !this.#saving) this.ctx.after('save', this.config.saveAfter)
    this.#changed = true
  }
}

import type { SupervisorEvent } from '../kernel/index.js'

type Told =
  | { readonly type: 'storeFailing'; readonly code: string; readonly message: string }
  | { readonly type: 'storeRecovered' }

/** Follows an outage of the store by its supervisor's events: a store whose thread has died, or that cannot be restarted yet, cannot report it itself (H33). */
export class StoreOutage {
  failing: { readonly code: string; readonly message: string } | undefined

  constructor(private readonly path: string, private readonly tell: (told: Told) => void) {}

  see(event: SupervisorEvent): void {
    if (event.path !== this.path) return
    if (event.type === 'failed') this.#failed(event.error)
    if (event.type === 'restarted' && this.failing !== undefined) {
      this.failing = undefined
      this.tell({ type: 'storeRecovered' })
    }
  }

  #failed(error: unknown): void {
    const { code = 'crashed', message = String(error) } = error as { readonly code?: string; readonly message?: string }
    if (this.failing?.code !== code) this.tell({ type: 'storeFailing', code, message })
    this.failing = { code, message }
  }
}

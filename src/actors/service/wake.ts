/** Wakes waiting readers. Edge-triggered, without payload: a reader that wakes reads the store again. */
export class Wake {
  readonly #waiting = new Set<() => void>()
  #round = 0

  /** Changes with every `wake`: what was read before is old when it has changed. */
  get round(): number { return this.#round }

  wake(): void {
    this.#round++
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }

  /** Resolves at the first `wake` after `round`, after `ms`, or when the signal is aborted. Never rejects. */
  async after(
    round: number, { ms, signal, timer }: { readonly ms?: number; readonly signal: AbortSignal; readonly timer: Timer },
  ): Promise<void> {
    if (round !== this.#round || signal.aborted) return
    let resolve!: () => void
    const woken = new Promise<void>(done => { resolve = done })
    this.#waiting.add(resolve)
    signal.addEventListener('abort', resolve, { once: true })
    const handle = ms === undefined ? undefined : timer.setTimeout(resolve, ms)
    await woken
    this.#waiting.delete(resolve)
    signal.removeEventListener('abort', resolve)
    if (handle !== undefined) timer.clearTimeout(handle)
  }
}

interface Timer { setTimeout(fn: () => void, ms: number): object; clearTimeout(handle: object): void }

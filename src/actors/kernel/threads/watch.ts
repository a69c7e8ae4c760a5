/** Looks at a thread's beat so often within the limit. */
const LOOKS = 20

export const beatMs = (hangWithin: number): number => Math.max(1, hangWithin / LOOKS)

/**
 * Tells when a thread's event loop stands still. A look counts once for each turn of our own loop, however late it comes: while the
 * machine sleeps, or starves us as well, nothing is missed. Real time, also where the actors' clock is another.
 */
export class HangWatch {
  #timer: NodeJS.Timeout | undefined
  #beat = 0
  #missed = 0

  /** @param busy whether the thread has anything of ours; while it has not, nobody looks */
  constructor(
    private readonly hangWithin: number, private readonly beat: () => number, private readonly busy: () => boolean, private readonly hung: () => void,
  ) {}

  /** It has something of ours. */
  begin(): void {
    if (this.#timer !== undefined || this.hangWithin === Infinity) return
    this.#beat = this.beat()
    this.#missed = 0
    // eslint-disable-next-line no-restricted-globals -- real time, and no actor's
    this.#timer = setInterval(() => { this.#look() }, beatMs(this.hangWithin)).unref()
  }

  end(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    const beat = this.beat()
    this.#missed = beat === this.#beat ? this.#missed + 1 : 0
    this.#beat = beat
    if (!this.busy()) this.end()
    else if (this.#missed > LOOKS) {
      this.end()
      this.hung()
    }
  }
}

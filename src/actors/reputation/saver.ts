import { SECTIONS } from './book.js'
import type { Section } from './book.js'
import { ReputationError } from './errors.js'

interface Waiting {
  readonly version: number
  readonly value: unknown
  readonly resolve: () => void
  readonly reject: (error: ReputationError) => void
}

interface Progress {
  /** Counts changes. */
  version: number
  /** The version that is being written, and the last one on disk. */
  writing: number | undefined
  stored: number
  /** Waits for its next try. */
  failing: boolean
  waiting: Waiting[]
}

export interface SaverNeeds {
  /** Begins to write a section as it is now; `written` or `failed` is called when that is over. */
  readonly write: (section: Section) => void
  /** Calls `again` after this many milliseconds. */
  readonly tryAgainAfter: (ms: number) => void
  readonly retryFirst: number
  readonly retryLast: number
}

/** Writes changed sections: one write of each at a time, with all changes made until then. */
export class Saver {
  readonly #needs: SaverNeeds
  readonly #sections = new Map<Section, Progress>(SECTIONS.map(section =>
    [section, { version: 0, writing: undefined, stored: 0, failing: false, waiting: [] }]))
  #pause: number

  constructor(needs: SaverNeeds) {
    this.#needs = needs
    this.#pause = needs.retryFirst
  }

  /** There is something new to write. */
  changed(section: Section): void {
    const progress = this.#of(section)
    progress.version++
    if (!progress.failing) this.#write(section)
  }

  /** Resolves when all that has changed so far is on disk; rejects with `not_durable` when it could not be written now. */
  durable(section: Section, value: unknown): Promise<void> {
    const progress = this.#of(section)
    if (progress.stored === progress.version) return Promise.resolve()
    const durable = new Promise<void>((resolve, reject) => { progress.waiting.push({ version: progress.version, value, resolve, reject }) })
    // callers do not wait for the next try
    this.#write(section)
    return durable
  }

  written(section: Section): void {
    const progress = this.#of(section)
    progress.stored = progress.writing ?? progress.stored
    progress.writing = undefined
    progress.failing = false
    this.#pause = this.#needs.retryFirst
    const done = progress.waiting.filter(({ version }) => version <= progress.stored)
    progress.waiting = progress.waiting.filter(({ version }) => version > progress.stored)
    for (const { resolve } of done) resolve()
    this.#write(section)
  }

  failed(section: Section, error: unknown): void {
    const progress = this.#of(section)
    progress.writing = undefined
    progress.failing = true
    for (const { value, reject } of progress.waiting.splice(0)) {
      reject(new ReputationError('not_durable', 'it holds now, and is not on disk yet', { value, cause: error }))
    }
    this.#needs.tryAgainAfter(this.#pause)
    this.#pause = Math.min(this.#pause * 2, this.#needs.retryLast)
  }

  again(): void {
    for (const section of SECTIONS) this.#write(section)
  }

  get failing(): boolean { return SECTIONS.some(section => this.#of(section).failing) }

  /** Sections whose last state is not on disk. */
  unsaved(): readonly Section[] { return SECTIONS.filter(section => this.#of(section).stored < this.#of(section).version) }

  #write(section: Section): void {
    const progress = this.#of(section)
    if (progress.writing !== undefined || progress.stored === progress.version) return
    progress.writing = progress.version
    this.#needs.write(section)
  }

  #of(section: Section): Progress { return this.#sections.get(section)! }
}

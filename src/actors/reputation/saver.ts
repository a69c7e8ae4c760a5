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
  /** The number of changes so far. */
  version: number
  /** The version that is being written, and the last one on disk. */
  writing: number | undefined
  stored: number
  /** The last write failed, and a retry is scheduled. */
  failing: boolean
  waiting: Waiting[]
}

export interface SaverNeeds {
  /** Starts to write the present state of a section. The caller then reports the result by `written` or `failed`. */
  readonly write: (section: Section) => void
  /** Calls `again` after this many milliseconds. */
  readonly tryAgainAfter: (ms: number) => void
  readonly retryFirst: number
  readonly retryLast: number
}

/** Writes changed sections, with retries. Each section has one write in flight at most; the next write takes all changes made meanwhile. */
export class Saver {
  readonly #needs: SaverNeeds
  readonly #sections = new Map<Section, Progress>(SECTIONS.map(section =>
    [section, { version: 0, writing: undefined, stored: 0, failing: false, waiting: [] }]))
  #pause: number

  constructor(needs: SaverNeeds) {
    this.#needs = needs
    this.#pause = needs.retryFirst
  }

  /** Notes a change of a section, and writes it unless a retry is scheduled. */
  changed(section: Section): void {
    const progress = this.#of(section)
    progress.version++
    if (!progress.failing) this.#write(section)
  }

  /** Resolves when all changes so far are on disk; rejects with `not_durable` if the write fails. */
  durable(section: Section, value: unknown): Promise<void> {
    const progress = this.#of(section)
    if (progress.stored === progress.version) return Promise.resolve()
    const durable = new Promise<void>((resolve, reject) => { progress.waiting.push({ version: progress.version, value, resolve, reject }) })
    // written at once, so that the caller does not wait for the backoff
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
      reject(new ReputationError('not_durable', 'the change applies, but is not on disk yet; the write is retried', { value, cause: error }))
    }
    this.#needs.tryAgainAfter(this.#pause)
    this.#pause = Math.min(this.#pause * 2, this.#needs.retryLast)
  }

  again(): void {
    for (const section of SECTIONS) this.#write(section)
  }

  get failing(): boolean { return SECTIONS.some(section => this.#of(section).failing) }

  /** Sections with changes that are not on disk. */
  unsaved(): readonly Section[] { return SECTIONS.filter(section => this.#of(section).stored < this.#of(section).version) }

  #write(section: Section): void {
    const progress = this.#of(section)
    if (progress.writing !== undefined || progress.stored === progress.version) return
    progress.writing = progress.version
    this.#needs.write(section)
  }

  #of(section: Section): Progress { return this.#sections.get(section)! }
}

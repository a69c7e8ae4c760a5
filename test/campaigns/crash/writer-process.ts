import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Answered, Answers, Question, Report, WriterTask } from './wire.js'

const WRITER = fileURLToPath(new URL('./writer.js', import.meta.url))
/** An answer to one question may take so long on a busy machine, ms. */
const ANSWER_WITHIN = 180_000

/** A writer that runs. */
export class WriterProcess {
  readonly #child: ChildProcess
  readonly #asked = new Map<number, { readonly resolve: (answer: never) => void; readonly reject: (error: Error) => void }>()
  readonly #waiting = new Set<{ readonly report: (report: Report) => boolean; readonly resolve: (report: Report | undefined) => void }>()
  #next = 1
  /** When it has ended and everything that it wrote was read. */
  readonly ended: Promise<void>

  /** @param reports hears every line that it writes */
  constructor(task: WriterTask, private readonly reports: (report: Report) => void) {
    this.#child = fork(WRITER, [JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], serialization: 'advanced' })
    const lines = createInterface({ input: this.#child.stdout! })
    lines.on('line', line => { this.#read(line.split(' ') as unknown as Report) })
    this.#child.on('message', (answered: Answered) => {
      const asked = this.#asked.get(answered.id)
      if ('answer' in answered) asked?.resolve(answered.answer as never)
      else asked?.reject(new Error(answered.error))
    })
    // A kill may break the channel in the middle of a message.
    this.#child.on('error', () => undefined)
    this.ended = Promise.all([
      new Promise(resolve => { this.#child.once('exit', resolve) }), new Promise(resolve => { lines.once('close', resolve) }),
    ]).then(() => {
      for (const { resolve } of this.#waiting) resolve(undefined)
      for (const { reject } of this.#asked.values()) reject(new Error('the writer has ended'))
    })
  }

  /** The first report that fits; `undefined` once it has ended. `fits` runs in the turn in which the report is read. */
  report(fits: (report: Report) => boolean): Promise<Report | undefined> {
    return new Promise(resolve => { this.#waiting.add({ report: fits, resolve }) })
  }

  async ask<D extends Question['do']>(question: Extract<Question, { do: D }>): Promise<Answers[D]> {
    const id = this.#next++
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<Answers[D]>((resolve, reject) => {
        this.#asked.set(id, { resolve, reject })
        timer = setTimeout(() => { reject(new Error(`no answer to ${question.do} in ${ANSWER_WITHIN} ms`)) }, ANSWER_WITHIN)
        this.#child.send({ id, question })
      })
    } finally {
      clearTimeout(timer)
      this.#asked.delete(id)
    }
  }

  /** kill −9; resolves when everything that it reported was read. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }

  #read(report: Report): void {
    this.reports(report)
    for (const waiting of this.#waiting) {
      if (!waiting.report(report)) continue
      this.#waiting.delete(waiting)
      waiting.resolve(report)
    }
  }
}

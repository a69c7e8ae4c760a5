import { styleText } from 'node:util'
import { createLogUpdate } from 'log-update'
import { toJson } from '../../operate/json.js'
import { frame, plain, table } from './frame.js'
import type { Meaning, Paint, View } from './frame.js'
import { summaryText } from './summary.js'
import type { Summary } from './summary.js'

/** What happens, in one line. */
export interface Happening { readonly event: string; readonly text: string; readonly fields?: object }

/** Where the devnet shows itself. */
export interface Display {
  happened(happening: Happening): void
  /** Called a few times a second. */
  show(view: View): void
  /** Nothing moves any more. */
  close(): void
  summary(summary: Summary): void
}

const LATEST = 6
const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'
const CLEAR_SCREEN = '\u001b[2J\u001b[H'

const looks: { readonly [M in Meaning]: Parameters<typeof styleText>[0] } = {
  title: 'bold', faint: 'dim', good: 'green', bad: ['red', 'bold'], first: 'cyan', second: 'magenta', lively: ['yellow', 'bold'],
}

/** Colours, unless the terminal's user wants none (NO_COLOR). */
export const paintFor = (env: NodeJS.ProcessEnv): Paint =>
  (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
    ? (meaning, text) => styleText(looks[meaning], text, { validateStream: false })
    : plain

/** A picture redrawn in place, with the latest events below it. At the end the summary replaces it. */
export class TerminalDisplay implements Display {
  readonly #draw
  readonly #paint = paintFor(process.env)
  readonly #showCursor = (): void => { this.output.write(SHOW_CURSOR) }
  /** After a resize the position of what was drawn is unknown. */
  readonly #startAnew = (): void => {
    this.#draw.done()
    this.output.write(CLEAR_SCREEN)
  }

  #latest: string[] = []
  #open = false

  constructor(private readonly output: NodeJS.WriteStream) {
    // Hiding the cursor by itself, it would install signal handlers.
    this.#draw = createLogUpdate(output, { showCursor: true })
  }

  happened({ text }: Happening): void { this.#latest = [...this.#latest.slice(1 - LATEST), text] }

  show(view: View): void {
    if (!this.#open) {
      this.#open = true
      this.output.write(HIDE_CURSOR)
      this.output.on('resize', this.#startAnew)
      process.once('exit', this.#showCursor)
    }
    this.#draw(frame(view, this.#latest, { paint: this.#paint, height: this.output.rows, width: this.output.columns }))
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#draw.clear()
    this.#draw.done()
    this.output.off('resize', this.#startAnew)
    this.#showCursor()
    process.off('exit', this.#showCursor)
  }

  summary(summary: Summary): void { this.output.write(`${summaryText(summary, this.#paint)}\n`) }
}

/** Lines that stay: for a log, or a pipe. */
export class PlainDisplay implements Display {
  #shownAt = 0

  constructor(private readonly output: NodeJS.WritableStream) {}

  happened({ text }: Happening): void { this.output.write(`${text}\n`) }

  show({ tallies, seconds, builders, blocks }: View): void {
    if (seconds - this.#shownAt < 5) return
    this.#shownAt = seconds
    this.output.write(`\nafter ${seconds.toFixed(0)} s, ${builders.length} of ${blocks} blocks\n${table(tallies).join('\n')}\n\n`)
  }

  close(): void { /* nothing moves */ }

  summary(summary: Summary): void { this.output.write(`\n${summaryText(summary)}\n`) }
}

/** JSON lines: each event by its own name, `nodes` every second, and `summary` at the end. */
export class JsonDisplay implements Display {
  #shownAt = -Infinity

  constructor(private readonly output: NodeJS.WritableStream) {}

  happened({ event, text, fields }: Happening): void { this.#write({ event, text, ...fields }) }

  show({ tallies, seconds, builders, blocks, turn, latency, l1 }: View): void {
    if (seconds - this.#shownAt < 1) return
    this.#shownAt = seconds
    this.#write({ event: 'nodes', seconds, published: builders.length, blocks, turn, latency, nodes: tallies, ...l1 !== undefined && { l1 } })
  }

  close(): void { /* every line stands by itself */ }

  summary(summary: Summary): void { this.#write({ event: 'summary', ...summary }) }

  #write(line: object): void { this.output.write(`${JSON.stringify(toJson({ ...line, at: Date.now() }))}\n`) }
}

import { createLogUpdate } from 'log-update'
import { toJson } from '../json.js'
import type { Summary } from './summary.js'
import { summaryText } from './summary.js'
import type { Tally } from './tally.js'

/** What happens, in one line. */
export interface Happening { readonly event: string; readonly text: string; readonly fields?: object }

/** Where the devnet shows itself. */
export interface Display {
  happened(happening: Happening): void
  /** Called a few times a second. */
  show(tallies: readonly Tally[], progress: { readonly published: number; readonly of: number; readonly seconds: number }): void
  summary(summary: Summary): void
}

const COLUMNS: readonly { readonly title: string; readonly width: number; readonly of: (tally: Tally) => string | number | bigint }[] = [
  { title: 'node', width: 8, of: ({ name }) => name },
  { title: 'role', width: 13, of: ({ role }) => role },
  { title: 'state', width: 12, of: ({ state }) => state },
  { title: 'head', width: 6, of: ({ head }) => head === 0n ? '-' : head },
  { title: 'peers', width: 6, of: ({ peers }) => peers.size },
  { title: 'published', width: 10, of: ({ published }) => published },
  { title: 'accepted', width: 9, of: ({ accepted }) => accepted },
  { title: 'txlists', width: 8, of: ({ txLists }) => txLists },
  { title: 'rejected', width: 9, of: ({ rejected }) => rejected },
  { title: 'stored', width: 7, of: ({ stored }) => stored },
  { title: 'served', width: 7, of: ({ served }) => served },
]
/** The first columns are words, the others figures. */
const WORDS = 3

export function tableText(tallies: readonly Tally[]): string {
  const row = (cells: readonly string[]) => cells.map((cell, at) => at < WORDS ? cell.padEnd(COLUMNS[at]!.width) : cell.padStart(COLUMNS[at]!.width)).join(' ')
  return [row(COLUMNS.map(({ title }) => title)), ...tallies.map(tally => row(COLUMNS.map(({ of }) => String(of(tally)))))].join('\n')
}

/** A table that is drawn again in place, with the latest happenings under it. */
export class TerminalDisplay implements Display {
  readonly #draw = createLogUpdate(process.stdout)
  #latest: string[] = []

  happened({ text }: Happening): void { this.#latest = [...this.#latest.slice(-5), text] }

  show(tallies: readonly Tally[], { published, of, seconds }: { published: number; of: number; seconds: number }): void {
    const width = 40
    const filled = Math.round(width * published / of)
    this.#draw([
      `devnet  [${'█'.repeat(filled)}${'░'.repeat(width - filled)}] ${published} of ${of} published, ${seconds.toFixed(0)} s`,
      '', tableText(tallies), '', ...this.#latest.map(line => `  ${line}`), '',
    ].join('\n'))
  }

  summary(summary: Summary): void {
    this.#draw.done()
    console.log(summaryText(summary))
  }
}

/** Lines that stay: for a log, or a pipe. */
export class PlainDisplay implements Display {
  #shownAt = -Infinity

  happened({ text }: Happening): void { console.log(text) }

  show(tallies: readonly Tally[], { published, of, seconds }: { published: number; of: number; seconds: number }): void {
    if (seconds - this.#shownAt < 5) return
    this.#shownAt = seconds
    console.log(`\nafter ${seconds.toFixed(0)} s, ${published} of ${of} published\n${tableText(tallies)}\n`)
  }

  summary(summary: Summary): void { console.log(summaryText(summary)) }
}

/** JSON lines: `happening` by its own name, `nodes`, and at last `summary`. */
export class JsonDisplay implements Display {
  #shownAt = -Infinity

  happened({ event, text, fields }: Happening): void { this.#write({ event, text, ...fields }) }

  show(tallies: readonly Tally[], progress: { published: number; of: number; seconds: number }): void {
    if (progress.seconds - this.#shownAt < 1) return
    this.#shownAt = progress.seconds
    this.#write({ event: 'nodes', ...progress, nodes: tallies.map(tally => ({ ...tally, peers: tally.peers.size })) })
  }

  summary(summary: Summary): void { this.#write({ event: 'summary', ...summary }) }

  #write(line: object): void { console.log(JSON.stringify(toJson(line))) }
}

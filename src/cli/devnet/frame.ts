/**
 * The devnet as text: a table of the nodes, and how far each has come along the chain. Pure, so that it can be looked at in a
 * test.
 */
import type { Tally } from './tally.js'

/** What the devnet is at a moment. */
export interface View {
  readonly tallies: readonly Tally[]
  /** How many blocks there will be, and the height of the first one. */
  readonly blocks: number
  readonly firstBlock: bigint
  /** The preconfer (0 or 1) of each block published so far. */
  readonly builders: readonly number[]
  /** Which turn it is, from 0; `undefined` before the first one. */
  readonly turn: number | undefined
  readonly seconds: number
  /** What happened on L1 last, and who may sign now and then; left out: L1 is not followed. */
  readonly l1?: readonly string[]
  readonly latency: { readonly samples: number; readonly p50Ms: number | undefined; readonly p99Ms: number | undefined }
  /** How far a consumer of the broker has come, in one line. */
  readonly broker?: string | undefined
}

/** What a text means; how that looks is for whoever paints it. */
export type Meaning = 'title' | 'faint' | 'good' | 'bad' | 'first' | 'second' | 'lively'
export type Paint = (meaning: Meaning, text: string) => string
export const plain: Paint = (_meaning, text) => text

/** Everything fits into a terminal of so many columns. */
export const WIDTH = 80
/** What happened on L1, now, and two windows to come. */
const L1_LINES = 4
/** Cells of a node's strip at most. */
const STRIP = 62

interface Column {
  readonly title: string
  readonly width: number
  readonly words?: boolean
  readonly of: (tally: Tally) => string
  readonly meaning?: (tally: Tally) => Meaning | undefined
}

const columns: readonly Column[] = [
  {
    title: 'node',
    width: 15,
    words: true,
    of: ({ name, role }) => `${name} ${role}`,
    meaning: ({ name }) => (name === 'alice' ? 'first' : name === 'bob' ? 'second' : undefined),
  },
  { title: 'state', width: 9, words: true, of: ({ state }) => state, meaning: stateMeaning },
  { title: 'head', width: 5, of: ({ head }) => (head === 0n ? '-' : String(head)) },
  { title: 'peers', width: 5, of: ({ peers }) => String(peers.size) },
  { title: 'published', width: 9, of: ({ published }) => String(published) },
  { title: 'accepted', width: 8, of: ({ accepted }) => String(accepted) },
  {
    title: 'rejected',
    width: 8,
    of: ({ rejected }) => String(rejected),
    meaning: ({ rejected }) => (rejected > 0 ? 'bad' : undefined),
  },
  { title: 'stored', width: 6, of: ({ stored }) => String(stored) },
  { title: 'served', width: 6, of: ({ served }) => String(served) },
]

function stateMeaning({ state }: Tally): Meaning | undefined {
  switch (state) {
    case 'its turn': case 'syncing': return 'lively'
    case 'following': return 'good'
    case 'ended': return 'bad'
    case 'to come': case 'starting': case 'stopped': return 'faint'
  }
}

/** One line a node. Published, accepted, rejected and stored are messages (commitments and txlists), served are requests. */
export function table(tallies: readonly Tally[], paint: Paint = plain): string[] {
  const pad = ({ width, words }: Column, text: string): string => words === true ? text.padEnd(width) : text.padStart(width)
  return [
    paint('faint', columns.map(column => pad(column, column.title)).join(' ')),
    ...tallies.map(tally => columns.map(column => {
      const meaning = column.meaning?.(tally)
      const cell = pad(column, column.of(tally))
      return meaning === undefined ? cell : paint(meaning, cell)
    }).join(' ')),
  ]
}

/** Each node's way along the chain, a cell a block where there is room, in the colour of who built it. */
export function strips({ tallies, blocks, firstBlock, builders }: View, paint: Paint = plain): string[] {
  const cells = Math.min(blocks, STRIP)
  const lastBlockOf = (cell: number): number => Math.floor((cell + 1) * blocks / cells) - 1
  return tallies.map(({ name, head }) => {
    const held = head < firstBlock ? 0 : Number(head - firstBlock) + 1
    const strip = Array.from({ length: cells }, (_, cell) => {
      const block = lastBlockOf(cell)
      if (block >= held) return paint('faint', '·')
      return builders[block] === 1 ? paint('second', '▓') : paint('first', '█')
    })
    return `${name.padEnd(5)} ${strip.join('')}`
  })
}

export interface FrameOptions {
  readonly paint?: Paint
  /** Of the terminal, lines. Happenings fill what the picture leaves. */
  readonly height?: number
  /** Of the terminal, columns. What does not fit is cut off, and nothing is painted. */
  readonly width?: number
}

/** The whole picture. */
export function frame(
  view: View,
  latest: readonly string[],
  { paint = plain, height = 24, width = WIDTH }: FrameOptions = {},
): string {
  if (width < WIDTH)
    return linesOf(view, latest, plain, height)
      .map(line => line.slice(0, Math.max(0, width - 1)))
      .join('\n')
  return linesOf(view, latest, paint, height).join('\n')
}

function linesOf(view: View, latest: readonly string[], paint: Paint, height: number): string[] {
  const { builders, blocks, seconds, turn, tallies, latency, l1, broker } = view
  const builder = tallies.find(({ state }) => state === 'its turn')?.name
  const progress =
    turn === undefined
      ? 'the nodes start'
      : `block ${builders.length} of ${blocks}, turn ${turn + 1}${builder === undefined ? '' : `, ${builder} publishes`}`
  const title = 'Preconfirmation devnet: four nodes on loopback'
  const right = `${seconds.toFixed(0)} s`
  const times =
    latency.samples === 0 ? '' : `from publishing to acceptance elsewhere: p50 ${ms(latency.p50Ms)}, p99 ${ms(latency.p99Ms)}`
  const picture = [
    `${paint('title', title)}${right.padStart(WIDTH - 2 - title.length)}`, '',
    ...table(tallies, paint), '',
    ...strips(view, paint), '',
    progress, times, ...broker === undefined ? [] : [broker], '',
    ...l1 === undefined ? [] : [...Array.from({ length: L1_LINES }, (_, at) => (l1[at] ?? '').slice(0, WIDTH - 1)), ''],
  ]
  const room = Math.max(0, height - 1 - picture.length)
  const shown = room === 0 ? [] : latest.slice(-room).map(line => `  ${line}`.slice(0, WIDTH - 1))
  return [...picture, ...shown.map((line, at) => at === shown.length - 1 ? line : paint('faint', line))]
}

export const ms = (value: number | undefined): string =>
  value === undefined ? '-' : value < 1_000 ? `${value.toFixed(1)} ms` : `${(value / 1_000).toFixed(1)} s`

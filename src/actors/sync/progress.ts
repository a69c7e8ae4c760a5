/** How fast a run goes: over the last few seconds, so that a pause shows and the start does not linger. */
export class Pace {
  readonly #marks: { readonly ms: number; readonly at: bigint }[] = []

  constructor(private readonly overMs: number) {}

  /** Blocks a second between the oldest mark within the span and this one. Marks: at most one a call, those out of the span are dropped. */
  mark(at: bigint, ms: number): number {
    const marks = this.#marks
    marks.push({ ms, at })
    while (marks.length > 2 && ms - (marks[1] as { ms: number }).ms >= this.overMs) marks.shift()
    const first = marks[0] as { ms: number; at: bigint }
    const elapsed = ms - first.ms
    return elapsed <= 0 || at <= first.at ? 0 : Number(at - first.at) * 1_000 / elapsed
  }
}

/** What is left at this pace, in ms; `undefined` where nothing moves. */
export function etaMs(at: bigint, to: bigint, perSecond: number): number | undefined {
  if (at > to) return 0
  return perSecond > 0 ? Math.ceil(Number(to - at + 1n) * 1_000 / perSecond) : undefined
}

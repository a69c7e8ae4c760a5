/** The names that were probably meant, for an error's end: ` (did you mean …?)`, or nothing. */
export function suggestion(wrong: string, names: Iterable<string>): string {
  let best: string | undefined
  // a third of the letters may be wrong
  let least = Math.max(2, Math.floor(wrong.length / 3)) + 1
  for (const name of names) {
    const distance = distanceBetween(wrong, name, least)
    if (distance < least) [best, least] = [name, distance]
  }
  return best === undefined ? '' : ` (did you mean ${best}?)`
}

/** How many letters have to be put in, taken out, changed or swapped with their neighbour; `most` or more is `most`. */
function distanceBetween(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) >= most) return most
  let [before, row]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, at) => at)]
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let least = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1)
      next.push(least)
    }
    ;[before, row] = [row, next]
  }
  return Math.min(most, row[b.length]!)
}

/**
 * Waits for a condition instead of for a time: resolves with the first value that is neither false nor undefined. The end is generous, for a
 * machine that is slow or busy.
 */
export async function until<T>(
  condition: () => T | undefined | false | Promise<T | undefined | false>, what: string, ms = 60_000, everyMs = 5,
): Promise<T> {
  const end = performance.now() + ms
  for (;;) {
    const value = await condition()
    if (value !== undefined && value !== false) return value
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await new Promise(resolve => { setTimeout(resolve, everyMs) })
  }
}

/** Waits for a condition instead of for a time: resolves with the first value that is neither false nor undefined. */
export async function until<T>(condition: () => T | undefined | false | Promise<T | undefined | false>, what: string, ms = 60_000): Promise<T> {
  const end = performance.now() + ms
  for (;;) {
    const value = await condition()
    if (value !== undefined && value !== false) return value
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await new Promise(resolve => { setTimeout(resolve, 5) })
  }
}

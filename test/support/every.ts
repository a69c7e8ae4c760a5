import { started } from '../setup/registry.js'

/** Does it each so many ms, until what this gives is called or the test has ended, whatever has become of it. Its errors are the test's. */
export function every(ms: number, work: () => unknown): () => void {
  let over = false
  const timer = setInterval(() => {
    void (async () => work())().catch((error: unknown) => { if (!over) throw error })
  }, ms).unref()
  const end = (): void => { over = true; clearInterval(timer) }
  const ended = started(end)
  return () => { end(); ended() }
}

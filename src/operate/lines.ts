import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'

/** In place of a line that was longer than allowed; what it held is gone. */
export const LINE_TOO_LONG = Symbol('line too long')

/**
 * The lines of a stream, without their ends; a last one without an end counts too. Never holds more than `maxLength` characters
 * of an unfinished line. Bytes that are no UTF-8 become U+FFFD. A caller that stops before the end destroys the stream.
 */
export async function * boundedLines(input: Readable, maxLength: number): AsyncGenerator<string | typeof LINE_TOO_LONG> {
  input.setEncoding('utf8')
  let parts: string[] = []
  let length = 0
  let skipping = false
  for await (const chunk of input as AsyncIterable<string>) {
    let from = 0
    for (;;) {
      const end = chunk.indexOf('\n', from)
      const part = chunk.slice(from, end === -1 ? undefined : end)
      if (!skipping && length + part.length > maxLength) {
        skipping = true
        parts = []
        yield LINE_TOO_LONG
      }
      if (!skipping) {
        parts.push(part)
        length += part.length
      }
      if (end === -1) break
      if (!skipping) yield parts.join('')
      parts = []
      length = 0
      skipping = false
      from = end + 1
    }
  }
  if (!skipping && length > 0) yield parts.join('')
}

/** Resolves when what was written has left room for more, or when nobody reads any more. */
export async function drained(output: Writable, gone: AbortSignal): Promise<void> { await once(output, 'drain', { signal: gone }).catch(() => undefined) }

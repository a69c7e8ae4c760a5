import type { Writable } from 'node:stream'
import { pino, stdSerializers } from 'pino'
import type { Logger } from 'pino'

/** Log lines that wait for a reader of standard error at most, bytes. Later ones are dropped, and counted. */
const MAX_WAITING = 1_048_576

/** Where lines go. */
export type LogOutput = Pick<Writable, 'destroyed' | 'writableLength'> & { write(line: string): boolean }

/** Logs JSON lines. If nobody reads them, lines are lost and nothing else. */
export function logTo(stream: LogOutput, level: string): Logger {
  let dropped = 0
  const destination = {
    write(line: string): void {
      if (stream.destroyed || stream.writableLength > MAX_WAITING) {
        dropped++
        return
      }
      if (dropped > 0) {
        const count = dropped
        dropped = 0
        log.warn({ dropped: count }, 'nobody read the log: lines were dropped')
      }
      stream.write(line)
    },
  }
  const log = pino({ level, serializers: { error: stdSerializers.err } }, destination)
  return log
}

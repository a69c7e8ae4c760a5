import { toWire } from '../boundary.js'
import type { WireError } from '../boundary.js'
import type { Logger } from '../log.js'
import type { LogLevel } from './protocol.js'

/** Marks an error among the fields of a log record. */
const ERROR = 'preconf:error'

/** A logger whose records go elsewhere. @param put false where there is no room: the next record says how many were lost */
export function recordLogger(put: (level: LogLevel, fields: object, message: string) => boolean, bindings: object = {}): Logger {
  let lost = 0
  const make = (bound: object): Logger => {
    const at = (level: LogLevel) => (fields: object, message: string): void => {
      const record = { ...cloneable({ ...bound, ...fields }), ...lost > 0 && { lost } }
      if (put(level, record, message)) lost = 0
      else lost++
    }
    return {
      trace: at('trace'), debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'),
      child: more => make({ ...bound, ...more }),
    }
  }
  return make(bindings)
}

/** The fields of a record as they were: errors are errors again. */
export function readFields(fields: object, revive: (wire: WireError) => Error): object {
  return Object.fromEntries(Object.entries(fields).map(([key, value]: [string, unknown]) => [key, isWire(value) ? revive(value[ERROR]) : value]))
}

function cloneable(fields: object): object {
  return Object.fromEntries(Object.entries(fields).map(([key, value]: [string, unknown]) => {
    if (value instanceof Error) return [key, { [ERROR]: toWire(value) }]
    if (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol') return [key, value]
    try { return [key, structuredClone(value)] } catch { return [key, 'cannot be cloned'] }
  }))
}

function isWire(value: unknown): value is { readonly [ERROR]: WireError } {
  return typeof value === 'object' && value !== null && ERROR in value
}

/** Values as `run --stdio` and `devnet --json` print them: bytes as hex without prefix, bigints as decimal strings. */
import { isNativeError } from 'node:util/types'
import { toHex } from '../protocol/index.js'
import { isErrorLike } from '../protocol/thrown.js'

export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export interface JsonObject { readonly [key: string]: Json }

/** Any value of the API as JSON. `undefined` members are left out; an error becomes its code and message. */
export function toJson(value: unknown): Json {
  if (value === null || value === undefined) return null
  switch (typeof value) {
    case 'boolean': case 'string': return value
    case 'number': return Number.isFinite(value) ? value : null
    case 'bigint': return value.toString()
    case 'object': return value instanceof Uint8Array ? toHex(value) : objectToJson(value)
    default: return null
  }
}

function objectToJson(value: object): Json {
  if (isNativeError(value)) return errorToJson(value)
  if (Array.isArray(value) || value instanceof Set) return [...value as Iterable<unknown>].map(toJson)
  const entries =
    value instanceof Map ? [...value.entries()].map(([key, member]) => [String(key), member] as const) : Object.entries(value)
  return Object.fromEntries(entries.filter(([, member]) => member !== undefined).map(([key, member]) => [key, toJson(member)]))
}

/** The longest text that an error repeats of what was offending. */
const MAX_SHOWN = 200

/** An error's code (`error` where it has none) and message, and the value and limit that it carries where these are short. */
export function errorToJson(error: unknown): JsonObject {
  if (!isErrorLike(error)) return { code: 'error', message: String(error) }
  const { code, value, limit } = error as Error & { code?: unknown; value?: unknown; limit?: unknown }
  const shownValue = shown(value)
  const shownLimit = shown(limit)
  return {
    code: typeof code === 'string' ? code : 'error',
    message: error.message,
    ...shownValue === undefined ? {} : { value: shownValue },
    ...shownLimit === undefined ? {} : { limit: shownLimit },
  }
}

/**
 * What offended may be anything, as large and as deep as a remote or a caller made it: only scalars and short bytes are
 * repeated.
 */
function shown(value: unknown): Json | undefined {
  switch (typeof value) {
    case 'boolean': return value
    case 'string': return value.slice(0, MAX_SHOWN)
    case 'number': case 'bigint': return integerOrNumber(value)
    case 'object': return value instanceof Uint8Array && value.length <= MAX_SHOWN / 2 ? toHex(value) : undefined
    default: return undefined
  }
}

const integerOrNumber = (value: number | bigint): Json =>
  typeof value === 'bigint' || Number.isSafeInteger(value) ? value.toString() : toJson(value)

/** An integer as a decimal string, whatever type it has here. */
export const int = (value: bigint | number): string => value.toString()

/** A member that should be text, as text. */
export const asText = (value: Json | undefined): string => typeof value === 'string' ? value : JSON.stringify(value ?? null)

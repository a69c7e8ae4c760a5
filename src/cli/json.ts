/** Values as `run --stdio` and `devnet --json` print them: bytes as hex without prefix, bigints as decimal strings. */
import { toHex } from '../protocol/index.js'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

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
  if (Array.isArray(value)) return value.map(toJson)
  if (value instanceof Error) return errorToJson(value)
  const entries = value instanceof Map ? [...value.entries()].map(([key, member]) => [String(key), member] as const) : Object.entries(value)
  return Object.fromEntries(entries.filter(([, member]) => member !== undefined).map(([key, member]) => [key, toJson(member)]))
}

/** An error's code (its name where it has none), message, and the value and limit that it carries. */
export function errorToJson(error: unknown): { readonly [key: string]: Json } {
  if (!(error instanceof Error)) return { code: 'error', message: String(error) }
  const { code, value, limit } = error as Error & { code?: unknown; value?: unknown; limit?: unknown }
  return {
    code: typeof code === 'string' ? code : 'error',
    message: error.message,
    ...value === undefined ? {} : { value: toJson(value) },
    ...limit === undefined ? {} : { limit: toJson(limit) },
  }
}

/** A member that should be text, as text. */
export const asText = (value: Json | undefined): string => typeof value === 'string' ? value : JSON.stringify(value ?? null)

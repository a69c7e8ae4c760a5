import { ProtocolError } from '../../src/protocol/index.js'
import { codecs, type Codec, type ContainerName } from '../../src/protocol/containers.js'
import { FormError, show, type JsonObject } from './form.js'

/** One vector: throws where it does not hold. */
export interface Vector {
  readonly name: string
  run(): void
}

/** Where a vector stands, and what its own fields call it. */
export function nameOf(where: string, item: unknown, fields: readonly string[]): string {
  const object = typeof item === 'object' && item !== null ? item as JsonObject : {}
  const parts = fields.map((field) => object[field]).filter((part) => typeof part === 'string' || typeof part === 'number')
  return [where, ...parts].join(' ')
}

export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [show(actual), show(expected)]
  if (a !== b) throw new Error(`${what}: ${shorten(a)}, expected ${shorten(b)}`)
}

function shorten(text: string): string {
  return text.length > 400 ? `${text.slice(0, 400)}… (${text.length})` : text
}

export function codecOf(name: string): Codec<unknown> {
  if (!Object.hasOwn(codecs, name)) throw new FormError(`container: unknown ${name}`)
  return codecs[name as ContainerName]
}

/** `ok` where it decodes (and encodes to the same bytes again), `error` at a typed refusal; anything else passes through. */
export function outcome(run: () => void): 'ok' | 'error' {
  try {
    run()
    return 'ok'
  } catch (error) {
    if (error instanceof ProtocolError) return 'error'
    throw error
  }
}

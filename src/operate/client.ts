/** The other end of the socket: one question to a running node. */
import { connect } from 'node:net'
import { codeOf, messageOf } from '../protocol/thrown.js'
import type { Json, JsonObject } from './json.js'
import { LINE_TOO_LONG, boundedLines } from './lines.js'

/** An answer's length at most, characters. */
const MAX_ANSWER = 64 * 1024 ** 2
/** A node answers within 30 s, or says that it took too long, ms. */
const WITHIN = 35_000

export class AskError extends Error {
  override readonly name = 'AskError'
  /** `no_node`: nobody answers there. Else the node's own code. */
  constructor(readonly code: string, message: string, readonly value?: unknown) { super(message) }
}

/** @throws AskError, also with what the node refused */
export async function ask(path: string, method: string, params: JsonObject = {}): Promise<Json> {
  const socket = connect(path)
  socket.setTimeout(WITHIN, () => { socket.destroy(new Error('it does not answer')) })
  socket.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })}\n`)
  try {
    for await (const line of boundedLines(socket, MAX_ANSWER)) {
      if (line === LINE_TOO_LONG) throw new AskError('too_long', 'the answer is too long')
      const { result, error } = JSON.parse(line) as { readonly result?: Json; readonly error?: { readonly message: string; readonly data?: { readonly code?: string; readonly value?: unknown } } }
      if (error !== undefined) throw new AskError(error.data?.code ?? 'error', error.message, error.data?.value)
      return result ?? null
    }
  } catch (error) {
    if (error instanceof AskError) throw error
    throw new AskError('no_node', `no node answers at ${path}: ${codeOf(error) ?? messageOf(error)}`)
  } finally {
    socket.destroy()
  }
  throw new AskError('no_node', `no node answers at ${path}: it hung up`)
}

/** JSON-RPC over a Unix socket, a request a line: whoever may open the file may do everything. */
import { lstat, unlink } from 'node:fs/promises'
import { createServer, connect } from 'node:net'
import type { Server, Socket } from 'node:net'
import type { Logger } from '../actors/kernel/index.js'
import { messageOf } from '../protocol/thrown.js'
import type { JsonRpc } from './json-rpc.js'
import { LINE_TOO_LONG, boundedLines, drained } from './lines.js'
import { Subscriptions } from './subscriptions.js'

/** Lines of one request: a txlist of 2 MiB in hex and its frame, characters. */
export const MAX_REQUEST = 2 * 2_097_152 + 4_096
/** Connections at a time. One asks one thing at a time. */
const MAX_CONNECTIONS = 32
/** A connection that neither says nor takes anything ends after this, ms. */
const IDLE = 600_000
/** What a socket's path may have, bytes: 108 on Linux and 104 on macOS, with the zero at its end. */
const MAX_PATH = process.platform === 'linux' ? 107 : 103

export class SocketError extends Error {
  override readonly name = 'SocketError'
  constructor(readonly code: 'path_too_long' | 'in_use' | 'no_socket', message: string, readonly value: string) { super(message) }
}

export interface SocketDoor {
  readonly path: string
  close(): Promise<void>
}

/** Listens on the path, for its owner only. What a node that is gone left there is replaced. @throws SocketError; errors of the file system */
export async function openSocket(path: string, rpc: JsonRpc, log: Logger): Promise<SocketDoor> {
  if (Buffer.byteLength(path) > MAX_PATH) throw new SocketError('path_too_long', `a socket's path has at most ${MAX_PATH} bytes, this one has ${Buffer.byteLength(path)}`, path)
  await removeStale(path)
  const open = new Set<Socket>()
  const server = createServer(socket => {
    open.add(socket)
    socket.once('close', () => { open.delete(socket) })
    void serve(socket, rpc).catch((error: unknown) => { log.debug({ error: messageOf(error) }, 'a connection to the socket ended early') })
  })
  server.maxConnections = MAX_CONNECTIONS
  await listen(server, path)
  return {
    path,
    async close() {
      const closed = new Promise<void>(resolve => { server.close(() => { resolve() }) })
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

/** Made for its owner only: binding is synchronous, so the mask holds for nothing else. */
async function listen(server: Server, path: string): Promise<void> {
  const listening = new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => { resolve() })
  })
  const before = process.umask(0o177)
  try {
    server.listen(path)
  } finally {
    process.umask(before)
  }
  await listening
}

/** @throws SocketError `in_use`: another node answers there; `no_socket`: the file is something else, and stays */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket()) throw new SocketError('no_socket', 'there is a file in the socket\'s place that is no socket', path)
  if (await answers(path)) throw new SocketError('in_use', 'another process listens on this socket', path)
  await unlink(path)
}

async function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    const say = (yes: boolean): void => { socket.destroy(); resolve(yes) }
    socket.once('connect', () => { say(true) })
    socket.once('error', (error: NodeJS.ErrnoException) => { say(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT') })
  })
}

async function serve(socket: Socket, rpc: JsonRpc): Promise<void> {
  const gone = new AbortController()
  socket.on('error', () => { gone.abort() })
  socket.once('close', () => { gone.abort() })
  socket.setTimeout(IDLE, () => { socket.destroy() })
  const write = async (line: string): Promise<void> => {
    if (!gone.signal.aborted && !socket.write(`${line}\n`)) await drained(socket, gone.signal)
  }
  const subscriptions = new Subscriptions(rpc.node, gone.signal, async notification => write(JSON.stringify(notification)))
  const caller = { ending: gone.signal, refusal: () => undefined, subscriptions }
  for await (const line of boundedLines(socket, MAX_REQUEST)) {
    if (line === LINE_TOO_LONG) break
    if (line.trim() === '') continue
    const answer = await rpc.answer(line, caller)
    if (answer !== undefined) await write(answer)
    if (gone.signal.aborted) break
  }
  socket.end()
}

/** Opens what a running node can be asked through, as its options say. */
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../actors/kernel/index.js'
import { textOf } from '../protocol/text-of.js'
import { codeOf, messageOf } from '../protocol/thrown.js'
import { isLoopback } from './guard.js'
import { openHttp } from './http.js'
import type { HttpOptions } from './http.js'
import { Incidents } from './incidents.js'
import { JsonRpc } from './json-rpc.js'
import { openMetrics } from './metrics/index.js'
import type { OperatedNode } from './methods.js'
import { rpcMethods } from './rpc-methods.js'
import { openSocket } from './socket.js'
import { SOCKET_NAME } from './socket-name.js'

export interface DoorOptions {
  readonly dataDir: string | undefined
  /** A path; `false`: no socket; left out: in the data directory. */
  readonly ipc?: string | false
  /** `undefined`: HTTP is off. */
  readonly http: { readonly host: string; readonly port: number; readonly tokenFile?: string | undefined; readonly metrics: boolean } | undefined
}

/** An option of a door that cannot be. */
export class DoorError extends Error {
  override readonly name = 'DoorError'
  readonly code = 'bad_config'
  constructor(message: string, readonly value?: unknown) { super(message) }
}

export interface Doors { close(): Promise<void> }

/** @param now wall time, ms. @throws DoorError; errors of the port. The socket never ends a node: one line says that there is none. */
export async function openDoors(options: DoorOptions, node: OperatedNode, log: Logger, now: () => number): Promise<Doors> {
  const incidents = new Incidents()
  const metrics = options.http?.metrics === true ? openMetrics(node) : undefined
  const rpc = new JsonRpc(node, rpcMethods(incidents))
  const closing = new AbortController()
  const http = options.http === undefined ? undefined : await openHttp(await httpOptionsOf(options.http, metrics), node, rpc, log)
  if (http !== undefined) log.info({ url: http.url }, 'HTTP is open')
  const socket = await socketOf(options, rpc, log)
  // where there is no door nobody can ask
  const watching = socket === undefined && http === undefined ? undefined : (async () => {
    for await (const event of node.subscribe({ signal: closing.signal })) {
      metrics?.see(event)
      if (event.type !== 'lagged') incidents.see(event, now())
    }
  })().catch((error: unknown) => { log.error({ error }, 'events for the metrics ended early') })
  return {
    async close() {
      closing.abort()
      metrics?.close()
      await Promise.all([socket?.close(), http?.close(), watching])
    },
  }
}

async function socketOf({ ipc, dataDir }: DoorOptions, rpc: JsonRpc, log: Logger): Promise<Awaited<ReturnType<typeof openSocket>> | undefined> {
  if (ipc === false) return undefined
  const path = ipc ?? (dataDir === undefined ? undefined : join(dataDir, SOCKET_NAME))
  if (path === undefined) {
    log.info({}, 'no socket to ask this node through: there is no data directory (--ipc.path gives it a place)')
    return undefined
  }
  try {
    const socket = await openSocket(path, rpc, log)
    log.info({ path }, 'the socket is open')
    return socket
  } catch (error) {
    log.warn({ path, code: codeOf(error) }, `no socket to ask this node through: ${messageOf(error)} (--ipc.path gives it another place)`)
    return undefined
  }
}

async function httpOptionsOf({ host, port, tokenFile }: NonNullable<DoorOptions['http']>, metrics: HttpOptions['metrics']): Promise<HttpOptions> {
  if (tokenFile === undefined && !isLoopback(host)) throw new DoorError(`--http.host ${host} is not loopback: it needs --http.token-file FILE`, host)
  return { host, port, metrics, token: tokenFile === undefined ? undefined : await tokenIn(tokenFile) }
}

/** The token of a file: 16 to 1,024 characters without blanks. Made where the file is missing, for its owner only. @throws DoorError */
async function tokenIn(file: string): Promise<string> {
  try {
    const made = randomBytes(32).toString('hex')
    await writeFile(file, `${made}\n`, { flag: 'wx', mode: 0o600 })
    return made
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw new DoorError(`--http.token-file cannot be made: ${messageOf(error)}`, file)
  }
  let text: string
  try {
    text = textOf(await readFile(file)).trim()
  } catch (error) {
    throw new DoorError(`--http.token-file cannot be read: ${messageOf(error)}`, file)
  }
  if (!/^\S{16,1024}$/.test(text)) throw new DoorError('--http.token-file holds a token of 16 to 1,024 characters, without blanks', file)
  return text
}

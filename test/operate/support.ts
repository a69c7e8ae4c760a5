import { request } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../src/actors/kernel/index.js'
import { openHttp } from '../../src/operate/http.js'
import type { HttpDoor, HttpOptions } from '../../src/operate/http.js'
import { Incidents } from '../../src/operate/incidents.js'
import { JsonRpc } from '../../src/operate/json-rpc.js'
import type { RpcLimits } from '../../src/operate/json-rpc.js'
import type { OperatedNode } from '../../src/operate/methods.js'
import { rpcMethods } from '../../src/operate/rpc-methods.js'
import { Stage } from '../cli/stage.js'
import { started } from '../setup/registry.js'

export const TOKEN = 'a-token-of-the-tests-0123456789'

/** A stand-in node, and what it was told. */
export class Operated {
  readonly stage: Stage
  readonly rewound: bigint[] = []
  readonly rpc: JsonRpc

  constructor(answers: Partial<OperatedNode> = {}, limits?: RpcLimits) {
    this.stage = new Stage({ rewind: async to => { this.rewound.push(to) }, ...answers })
    this.rpc = new JsonRpc(this.node, rpcMethods(new Incidents()), limits)
  }

  get node(): OperatedNode { return this.stage.node }

  async http(options: Partial<HttpOptions> = {}): Promise<HttpDoor> {
    const door = await openHttp({ host: '127.0.0.1', port: 0, token: TOKEN, metrics: undefined, ...options }, this.node, this.rpc, silentLogger)
    started(async () => door.close())
    return door
  }
}

export interface Answered { readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string }

/** One request, with exactly these headers: `fetch` would not send them as told. */
export async function send(door: HttpDoor, { method = 'GET', path = '/', headers = {}, body }: {
  readonly method?: string; readonly path?: string; readonly headers?: Readonly<Record<string, string>>; readonly body?: string
} = {}): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port: new URL(door.url).port, path, method, headers, agent: false }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
      response.once('end', () => { resolve({ status: response.statusCode!, headers: response.headers, text }) })
      response.once('error', reject)
    })
    asking.once('error', reject)
    asking.end(body)
  })
}

export const JSON_TYPE = { 'Content-Type': 'application/json' }
export const WITH_TOKEN = { ...JSON_TYPE, Authorization: `Bearer ${TOKEN}` }
export const call = (method: string, params?: unknown, id: unknown = 1): string => JSON.stringify({ jsonrpc: '2.0', id, method, ...params !== undefined && { params } })

export async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'operate-'))
  started(async () => rm(made, { recursive: true, force: true }))
  return made
}

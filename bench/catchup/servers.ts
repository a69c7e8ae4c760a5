import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { copyOf } from './material.js'
import type { Material } from './material.js'
import type { ServerSays } from './server.js'
import { toHex } from '../../src/protocol/index.js'

/** A serving node in a process of its own. */
export class Server {
  private constructor(private readonly child: ChildProcess, readonly address: string) {}

  static async start(material: Material, dataDir: string): Promise<Server> {
    await rm(dataDir, { recursive: true, force: true })
    await copyOf(material, dataDir)
    const child = fork(new URL('./server.js', import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    child.send({ dataDir, signers: material.signers.map(each => toHex(each)) })
    const said = await next(child)
    if (said.type !== 'listening') throw new Error('the server did not listen')
    return new Server(child, said.address)
  }

  async figures(): Promise<Extract<ServerSays, { type: 'figures' }>> {
    const answer = next(this.child)
    this.child.send('figures')
    const said = await answer
    if (said.type !== 'figures') throw new Error('the server did not answer')
    return said
  }

  async stop(): Promise<void> {
    const gone = once(this.child, 'exit')
    this.child.disconnect()
    await gone
  }
}

async function next(child: ChildProcess): Promise<ServerSays> {
  const [said] = await Promise.race([
    once(child, 'message') as Promise<[ServerSays]>,
    once(child, 'exit').then(([code]) => { throw new Error(`the server ended (${String(code)})`) }),
  ])
  return said
}

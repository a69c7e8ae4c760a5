import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:net'
import { until } from '../support/until.js'

/** The server that scripts/test-nats.js has found. */
export const binary = process.env['NATS_SERVER'] ?? 'nats-server'

export const isThere = (): boolean => spawnSync(binary, ['--version'], { timeout: 10_000 }).status === 0

/** A real nats-server with JetStream on loopback, over a folder that outlives a kill. */
export class NatsServer {
  #child: ChildProcess | undefined

  private constructor(readonly port: number, private readonly folder: string) {}

  get url(): string { return `nats://127.0.0.1:${this.port}` }

  /** @param more lines of its configuration */
  static async start(more = ''): Promise<NatsServer> {
    const folder = await mkdtemp(join(tmpdir(), 'preconf-nats-'))
    const server = new NatsServer(await freePort(), folder)
    await writeFile(join(folder, 'nats.conf'), `host: 127.0.0.1\nport: ${server.port}\njetstream { store_dir: ${JSON.stringify(folder)} }\n${more === '' ? 'max_payload: 8MB' : more}\n`)
    await server.run()
    return server
  }

  async run(): Promise<void> {
    const child = this.#child = spawn(binary, ['-c', join(this.folder, 'nats.conf')], { stdio: 'ignore' })
    await until(() => child.exitCode !== null ? Promise.reject(new Error('nats-server ended')) : answers(this.port), 'nats-server listens', 30_000, 20)
  }

  /** Ends it at once: what it has acknowledged must be there when it runs again. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise(resolve => { child.once('exit', resolve) })
    child.kill(signal)
    await ended
  }

  async restart(): Promise<void> {
    await this.kill()
    await this.run()
  }

  async stop(): Promise<void> {
    await this.kill()
    await rm(this.folder, { recursive: true, force: true })
  }
}

async function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.setTimeout(1_000, () => { socket.destroy(); resolve(false) })
    socket.once('data', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => { resolve(false) })
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => { server.once('listening', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => { server.close(resolve) })
  return port
}

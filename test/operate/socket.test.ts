import { mkdir, rename, stat, symlink, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { silentLogger } from '../../src/actors/kernel/index.js'
import { ask } from '../../src/operate/client.js'
import { openDoors } from '../../src/operate/doors.js'
import { MAX_REQUEST, openSocket } from '../../src/operate/socket.js'
import type { SocketDoor } from '../../src/operate/socket.js'
import { describeProcesses } from '../cli/process.js'
import { started } from '../setup/registry.js'
import { head } from '../cli/stage.js'
import { until } from '../support/until.js'
import { Operated, call, folder } from './support.js'

async function open(path: string, operated = new Operated()): Promise<SocketDoor> {
  const door = await openSocket(path, operated.rpc, silentLogger)
  started(async () => door.close())
  return door
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(() => undefined, (error: unknown) => (error as { code?: unknown }).code)
}

describeProcesses('operate/socket', () => {
  it('answers its owner, who may steer; and nobody else may open it', async () => {
    const operated = new Operated()
    const path = join(await folder(), 'node.sock')
    const umask = process.umask()
    const door = await open(path, operated)
    expect((await stat(path)).mode & 0o777).to.equal(0o600)
    expect(process.umask()).to.equal(umask)
    expect(await ask(path, 'preconf_head')).to.deep.equal({ blockNumber: '5', submissionWindowEnd: '6' })
    await ask(path, 'preconf_rewind', { to: '4' })
    expect(operated.rewound).to.deep.equal([4n])
    expect(await codeOf(ask(path, 'preconf_rewind', { to: 'x' }))).to.equal('bad_field')
    await door.close()
    expect(await codeOf(ask(path, 'preconf_head'))).to.equal('no_node')
    expect(await stat(path).catch(() => undefined)).to.equal(undefined)
  })

  it('what a node that is gone left is replaced; a node that is there, and what is no socket, stay', async () => {
    const at = await folder()
    const path = join(at, 'node.sock')
    const door = await open(path)
    expect(await codeOf(open(path))).to.equal('in_use')
    expect(await ask(path, 'preconf_head')).to.have.property('blockNumber', '5')
    await door.close()

    // a node that was killed leaves its file: a server on a name that is moved away leaves one, too
    const old = createServer()
    await new Promise<void>(resolve => { old.listen(join(at, 'old.sock'), resolve) })
    await rename(join(at, 'old.sock'), path)
    await new Promise(resolve => { old.close(resolve) })
    expect((await stat(path)).isSocket()).to.equal(true)
    await open(path)
    expect(await ask(path, 'preconf_head')).to.have.property('blockNumber', '5')

    for (const [name, make] of [['file', async (to: string) => writeFile(to, 'kept')], ['folder', async (to: string) => mkdir(to)], ['link', async (to: string) => symlink(join(at, 'file'), to)]] as const) {
      await make(join(at, name))
      expect(await codeOf(open(join(at, name))), name).to.equal('no_socket')
      expect(await stat(join(at, name))).to.exist
    }
  })

  it('a path that is too long, or none, is one line of the log, and the node goes on', async () => {
    const lines: string[] = []
    const say = (_: object, text: string): void => { lines.push(text) }
    const log = { ...silentLogger, info: say, warn: say, child: () => log }
    const long = join(await folder(), 'x'.repeat(120))
    expect(await codeOf(open(long))).to.equal('path_too_long')
    for (const dataDir of [long, undefined]) {
      const { stage, node } = new Operated()
      const doors = await openDoors({ dataDir, http: undefined }, node, log, () => 0)
      stage.broadcast.close()
      await doors.close()
    }
    expect(lines).to.have.length(2)
    expect(lines[0]).to.contain('a socket\'s path has at most').and.contain('--ipc.path')
    expect(lines[1]).to.contain('no data directory').and.contain('--ipc.path')
  })

  it('a connection follows events and the ordered stream, and ends what it follows', async () => {
    const operated = new Operated()
    operated.stage.items = [{ kind: 'skipped', from: 1n, to: 4n, cursor: '4:' }]
    const path = join(await folder(), 'node.sock')
    await open(path, operated)
    const socket = connect(path).on('error', () => undefined)
    const lines: Record<string, unknown>[] = []
    let rest = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = `${rest}${chunk}`.split('\n')
      rest = parts.pop()!
      lines.push(...parts.map(part => JSON.parse(part) as Record<string, unknown>))
    })
    const asked = async (method: string, params: object, id: number): Promise<Record<string, unknown>> => {
      socket.write(`${call(method, params, id)}\n`)
      return until(() => lines.find(line => line['id'] === id), `the answer to ${method}`)
    }
    expect(await asked('preconf_subscribe', { what: 'blocks', from: '1' }, 1)).to.have.property('result', '1')
    await until(() => JSON.stringify(lines).includes('"ended"'), 'the end of the stream')
    expect(lines.slice(1)).to.deep.equal([
      { jsonrpc: '2.0', method: 'preconf_subscription', params: { subscription: '1', result: { event: 'skipped', from: '1', to: '4', cursor: '4:' } } },
      { jsonrpc: '2.0', method: 'preconf_subscription', params: { subscription: '1', result: { event: 'ended' } } },
    ])
    for (let n = 2; n < 6; n++) expect(await asked('preconf_subscribe', { what: 'events' }, n)).to.have.property('result', String(n))
    expect(await asked('preconf_subscribe', { what: 'events' }, 6)).to.have.nested.property('error.data.code', 'too_many_streams')
    expect(await asked('preconf_unsubscribe', ['2'], 7)).to.have.property('result', true)
    expect(await asked('preconf_unsubscribe', ['2'], 8)).to.have.property('result', false)
    await until(() => operated.stage.broadcast.subscribers === 3, 'one less')
    operated.stage.broadcast.publish(head(9n))
    await until(() => lines.filter(line => JSON.stringify(line).includes('"event":"head"')).length === 3, 'the event, for each that follows')
    for (const [params, code] of [[{ what: 'all' }, 'bad_field'], [{ what: 'blocks' }, 'missing_field'], [{ what: 'events', from: '1' }, 'bad_field']] as const)
      expect(await codeOf(ask(path, 'preconf_subscribe', params)), code).to.equal(code)
    socket.destroy()
    await until(() => operated.stage.broadcast.subscribers === 0, 'nobody follows')
  })

  it('a line that is too long, garbage, and a caller that hangs up, cost that connection alone', async () => {
    const path = join(await folder(), 'node.sock')
    await open(path)
    const flood = connect(path)
    const ended = new Promise(resolve => { flood.once('close', resolve) })
    flood.on('error', () => undefined)
    flood.write(Buffer.alloc(MAX_REQUEST + 65_536, 'x'))
    await ended
    const rude = connect(path).on('error', () => undefined)
    rude.write(`${call('preconf_head')}\nnot json\n`)
    rude.destroy()
    const garbage = connect(path)
    const answer = new Promise<string>(resolve => { garbage.once('data', chunk => { resolve(String(chunk)) }) })
    garbage.write('not json\n')
    expect(JSON.parse(await answer)).to.have.nested.property('error.code', -32_700)
    garbage.destroy()
    expect(await ask(path, 'preconf_head')).to.have.property('blockNumber', '5')
  })
})

import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import { Broadcast, silentLogger } from '../../src/actors/kernel/index.js'
import type { NetworkEvent, StreamItem } from '../../src/index.js'
import type { StdioNode } from '../../src/cli/stdio-commands.js'
import { commands } from '../../src/cli/stdio-commands.js'
import { MAX_LINE, serveStdio } from '../../src/cli/stdio.js'
import type { StdioEnd } from '../../src/cli/stdio.js'
import { until } from '../support/until.js'
import { documentedCommands, wrongWith } from './documented.js'
import type { Line } from './process.js'

const HASH = new Uint8Array(32).fill(7)

/** A node that answers what the test says, and a session of it over streams in memory. */
class Stage {
  readonly broadcast = new Broadcast<NetworkEvent>({ capacity: 8 })
  readonly input = new PassThrough()
  readonly output = new PassThrough({ highWaterMark: 1_024 })
  readonly lines: Line[] = []
  readonly calls: string[] = []
  readonly abort = new AbortController()
  stops = 0
  terminate!: (how: Awaited<StdioNode['ended']>) => void
  items: StreamItem[] = []
  ended: StdioEnd | undefined
  session: Promise<StdioEnd> | undefined
  readonly node: StdioNode

  constructor(answers: Partial<StdioNode> = {}) {
    const refuse = async (): Promise<never> => { throw new Error('not on this stage') }
    this.node = {
      peerId: 'peer-of-ours', ended: new Promise(resolve => { this.terminate = resolve }),
      listenAddresses: async () => ['/memory/1/p2p/peer-of-ours'],
      subscribe: () => this.broadcast.subscribe(),
      stop: async () => {
        this.stops++
        this.broadcast.close()
      },
      blocks: () => this.blocks(),
      head: async () => ({ blockNumber: 5n, submissionWindowEnd: 6n }),
      publishCommitment: refuse, publishTxList: refuse, requestHead: refuse, requestCommitments: refuse, requestTxList: refuse, updateHead: () => undefined,
      confirm: refuse, rewind: refuse, storedCommitments: refuse, storedTxList: async () => undefined, dial: refuse, hangUp: refuse, peers: async () => [],
      health: refuse, figures: refuse, reinstate: refuse, evidence: async () => [],
      sync: async () => ({ outcome: 'no_peers', code: undefined, from: 1n, to: 0n, blocks: 0, ms: 1.5 }), ...answers,
    }
  }

  async * blocks(): AsyncGenerator<StreamItem, void, undefined> { yield * this.items }

  start({ read = true } = {}): this {
    if (read) this.read()
    this.session = serveStdio(this.node, { input: this.input, output: this.output, log: silentLogger, signal: this.abort.signal, now: () => 1, patience: { answers: 200, reader: 200 } })
    void this.session.then(why => { this.ended = why })
    return this
  }

  read(): void {
    let text = ''
    this.output.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = `${text}${chunk}`.split('\n')
      text = parts.pop()!
      this.lines.push(...parts.map(part => JSON.parse(part) as Line))
    })
  }

  say(...lines: (string | object)[]): void { for (const line of lines) this.input.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n`) }
  async line(which: (line: Line) => boolean, what: string): Promise<Line> { return until(() => this.lines.find(which), `${what} in ${JSON.stringify(this.lines).slice(0, 2_000)}`, 5_000) }
  async answer(id: unknown): Promise<Line> { return this.line(line => line['id'] === id && line['event'] === undefined, `answer ${String(id)}`) }
  names(): unknown[] { return this.lines.map(line => line['event'] ?? line['id']) }
}

const head = (blockNumber: bigint): NetworkEvent => ({ type: 'head', head: { blockNumber, submissionWindowEnd: 1n }, hash: HASH })

/** Turns of the event loop. */
async function turn(times = 1): Promise<void> {
  for (let time = 0; time < times; time++) await new Promise(resolve => { setImmediate(resolve) })
}

/** A promise and what settles it. */
function gate<T>(): { readonly promise: Promise<T>; readonly open: (value: T) => void } {
  let open!: (value: T) => void
  return { promise: new Promise<T>(resolve => { open = resolve }), open }
}

describe('cli/stdio session', () => {
  it('every command is documented, and nothing else is', () => {
    expect([...Object.keys(commands), 'stop'].sort()).to.deep.equal([...documentedCommands].sort())
  })

  it('begins with ready, whatever was said before, and ends with stopped', async () => {
    const stage = new Stage()
    stage.broadcast.publish(head(1n))
    stage.say({ cmd: 'head', id: 1 })
    stage.input.end()
    expect(await stage.start().session).to.equal('end_of_input')
    expect(stage.lines[0]).to.deep.equal({ event: 'ready', peerId: 'peer-of-ours', addresses: ['/memory/1/p2p/peer-of-ours'], at: 1 })
    expect(stage.lines.at(-1)).to.deep.equal({ event: 'stopped', reason: 'end_of_input', at: 1 })
    expect(stage.lines.find(({ id }) => id === 1)).to.have.deep.property('result', { blockNumber: '5', submissionWindowEnd: '6' })
    expect(stage.lines.flatMap(line => wrongWith(line, line['id'] === 1 ? 'head' : undefined))).to.deep.equal([])
  })

  it('says ready once for the start, and again when the driver was restarted', async () => {
    const stage = new Stage().start()
    await stage.line(({ event }) => event === 'ready', 'ready')
    stage.broadcast.publish({ type: 'started', peerId: 'peer-of-ours', addresses: ['/memory/1/p2p/peer-of-ours'] })
    stage.broadcast.publish({ type: 'started', peerId: 'peer-of-ours', addresses: ['/memory/2/p2p/peer-of-ours'] })
    stage.broadcast.publish(head(1n))
    await stage.line(({ event }) => event === 'head', 'head')
    expect(stage.names()).to.deep.equal(['ready', 'ready', 'head'])
  })

  it('a bad line of every kind gets its error, and the next one its answer', async () => {
    const stage = new Stage().start()
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    const bad: [string, string][] = [
      ['not json', 'bad_json'], ['', 'bad_json'], ['   ', 'bad_json'], ['\u0000\u0001\ufffd', 'bad_json'], ['{"cmd":"head"', 'bad_json'],
      ['[1]', 'bad_command'], ['null', 'bad_command'], ['{}', 'bad_command'], ['{"cmd":5}', 'bad_command'],
      [`{"cmd":"head","id":${deep}}`, 'bad_command'],
      ['{"cmd":"nonsense"}', 'unknown_command'], ['{"cmd":"toString"}', 'unknown_command'], ['{"cmd":"__proto__"}', 'unknown_command'],
      ['{"cmd":"storedTxList"}', 'missing_field'], ['{"cmd":"storedTxList","hash":null}', 'missing_field'],
      ['{"cmd":"storedTxList","hash":5}', 'bad_field'], ['{"cmd":"storedTxList","hash":"xy"}', 'bad_field'],
      [`{"cmd":"storedTxList","hash":${deep}}`, 'bad_field'], ['{"cmd":"rewind","to":-1}', 'bad_field'],
      ['x'.repeat(MAX_LINE + 1), 'line_too_long'],
      ['{"cmd":"moreBlocks","stream":"7","credit":1}', 'unknown_stream'],
    ]
    for (const [at, [line, code]] of bad.entries()) {
      stage.say(line, { cmd: 'head', id: at })
      await stage.answer(at)
      const error = stage.lines.filter(each => each['error'] !== undefined)
      expect(error, line.slice(0, 60)).to.have.length(at + 1)
      expect(error.at(-1), line.slice(0, 60)).to.have.nested.property('error.code', code)
    }
    expect(stage.lines.flatMap(line => wrongWith(line))).to.deep.equal([])
  })

  it('a bad line with an id is answered under it', async () => {
    const stage = new Stage().start()
    stage.say({ id: 'mine' }, { id: 'yours', cmd: 'nonsense' })
    expect(await stage.answer('mine')).to.have.nested.property('error.code', 'bad_command')
    expect(await stage.answer('yours')).to.have.nested.property('error.code', 'unknown_command')
  })

  it('after the end of input everything that was asked is answered before stopped', async () => {
    const dialled = gate<string>()
    const stage = new Stage({ dial: async () => dialled.promise }).start()
    stage.say({ cmd: 'dial', id: 1, addr: 'x' }, { cmd: 'head', id: 2 })
    stage.input.end()
    await stage.answer(2)
    expect(stage.stops).to.equal(0)
    dialled.open('other')
    expect(await stage.session).to.equal('end_of_input')
    expect(stage.names().slice(-3)).to.deep.equal([2, 1, 'stopped'])
  })

  it('stop is answered, what came before it too, what comes after it is not begun', async () => {
    const stage = new Stage().start()
    stage.input.write('{"cmd":"head","id":1}\n{"cmd":"stop","id":2}\n{"cmd":"head","id":3}\n')
    expect(await stage.session).to.equal('stop')
    expect(stage.names().toSorted()).to.deep.equal([1, 2, 'ready', 'stopped'])
    expect(stage.stops).to.equal(1)
  })

  it('a catch-up has no deadline of its own: it ends with the input', async () => {
    const stage = new Stage({
      sync: async ({ signal }) => new Promise(resolve => {
        signal.addEventListener('abort', () => resolve({ outcome: 'cancelled', code: undefined, from: 1n, to: 5n, blocks: 5, ms: 20 }), { once: true })
      }),
    }).start()
    stage.say({ cmd: 'sync', id: 1 })
    stage.input.end()
    expect(await stage.session).to.equal('end_of_input')
    const answer = await stage.answer(1)
    expect(answer['result']).to.deep.include({ outcome: 'cancelled', code: null, from: '1', to: '5', blocks: '5' })
    expect(wrongWith(answer, 'sync')).to.deep.equal([])
  })

  it('after a signal a command that hangs fails when the node stops, and is answered', async () => {
    let fail!: (error: Error) => void
    const hanging = new Promise<never>((_resolve, reject) => { fail = reject })
    const stage: Stage = new Stage({ dial: async () => hanging, stop: async () => { stage.broadcast.close(); fail(Object.assign(new Error('closed'), { code: 'closed' })) } }).start()
    stage.say({ cmd: 'dial', id: 1, addr: 'x' })
    await stage.line(({ event }) => event === 'ready', 'ready')
    stage.abort.abort()
    expect(await stage.session).to.equal('signal')
    expect(stage.lines.at(-2)).to.have.nested.property('error.code', 'closed')
  })

  it('a signal that is there already', async () => {
    const stage = new Stage()
    stage.abort.abort()
    expect(await stage.start().session).to.equal('signal')
    expect(stage.names()).to.deep.equal(['ready', 'stopped'])
  })

  it('ends when nobody can read any more, and when the node could not be kept running', async () => {
    const unread = new Stage().start()
    unread.output.destroy(Object.assign(new Error('EPIPE'), { code: 'EPIPE' }))
    expect(await unread.session).to.equal('reader_gone')
    const failed = new Stage().start()
    failed.terminate({ reason: 'escalated', error: new Error('enough') })
    expect(await failed.session).to.equal('failed')
    expect(failed.lines.at(-1)).to.include({ event: 'stopped', reason: 'failed' })
  })

  it('H20: a reader that does not read is told how many events it missed, in their place', async () => {
    const stage = new Stage().start({ read: false })
    await until(() => stage.broadcast.subscribers === 1, 'a subscription')
    for (let block = 1n; block <= 200n; block++) {
      stage.broadcast.publish(head(block))
      await turn()
    }
    stage.read()
    await stage.line(({ blockNumber }) => blockNumber === '200', 'the last head')
    const heads = stage.lines.filter(({ event }) => event === 'head').length
    const missed = stage.lines.filter(({ event }) => event === 'lagged').reduce((sum, { count }) => sum + Number(count), 0)
    expect(heads + missed).to.equal(200)
    expect(missed).to.be.above(100)
  })

  it('a reader that does not read holds back commands at the 64th, and nothing is lost when it reads again', async () => {
    let begun = 0
    const stage = new Stage({ head: async () => ({ blockNumber: BigInt(++begun), submissionWindowEnd: 0n }) }).start({ read: false })
    for (let id = 0; id < 1_000; id++) stage.say({ cmd: 'head', id })
    await until(() => begun > 60, 'the first commands')
    await turn(20)
    expect(begun).to.be.within(64, 110)
    stage.read()
    await stage.answer(999)
    expect(stage.lines.filter(({ id }) => id !== undefined).map(({ id }) => id)).to.deep.equal(Array.from({ length: 1_000 }, (_, id) => id))
  })

  it('large lines are held back sooner', async () => {
    let begun = 0
    const published = gate<{ hash: Uint8Array; recipients: number; stored: boolean }>()
    const stage = new Stage({ publishTxList: async () => { begun++; return published.promise } }).start()
    const txlist = '00'.repeat(2_097_152)
    for (let id = 0; id < 8; id++) stage.say({ cmd: 'publishTxList', id, txlist })
    await until(() => begun === 5, 'five of them')
    await turn(20)
    expect(begun).to.equal(5)
    published.open({ hash: HASH, recipients: 2, stored: true })
    expect((await stage.answer(7))['result']).to.deep.equal({ hash: '07'.repeat(32), recipients: '2', stored: true })
    expect(begun).to.equal(8)
  })

  it('H32: a reader that never reads does not hold up the end', async () => {
    const stage = new Stage().start({ read: false })
    for (let block = 1n; block <= 100n; block++) stage.broadcast.publish(head(block))
    stage.input.end()
    expect(await stage.session).to.equal('end_of_input')
  })

  it('an input that fails ends the session like its end', async () => {
    const stage = new Stage().start()
    await stage.line(({ event }) => event === 'ready', 'ready')
    stage.input.destroy(new Error('EIO'))
    expect(await stage.session).to.equal('end_of_input')
  })

  describe('streams of blocks', () => {
    const block = (height: bigint): StreamItem => ({
      kind: 'block', cursor: `${height}:${'07'.repeat(32)}`, blockNumber: height, commitment: undefined as never, ssz: new Uint8Array(382), hash: HASH, signer: new Uint8Array(20), txList: undefined,
    })

    it('items follow the answer, in order, and say so when the stream ends by itself', async () => {
      const stage = new Stage()
      stage.items = [block(1n), { kind: 'skipped', from: 2n, to: 3n }, { kind: 'stalled', height: 4n }, { kind: 'rewind', to: 1n, cursor: undefined }]
      stage.start().say({ cmd: 'blocks', id: 1, from: '1' })
      await stage.line(({ event }) => event === 'streamEnded', 'its end')
      expect(stage.names()).to.deep.equal(['ready', 1, 'block', 'skipped', 'stalled', 'rewind', 'streamEnded'])
      expect(stage.lines.flatMap(line => wrongWith(line, 'blocks'))).to.deep.equal([])
    })

    it('credit bounds what comes; more lets more through; the rest is not even read', async () => {
      const stage = new Stage()
      let read = 0
      stage.blocks = async function * () { for (let height = 1n; ; height++) { read++; yield block(height); await turn() } }
      const blocks = () => stage.lines.filter(({ event }) => event === 'block').length
      stage.start().say({ cmd: 'blocks', id: 1, from: 1, credit: 3 })
      await until(() => blocks() === 3, 'three')
      stage.say({ cmd: 'moreBlocks', id: 2, stream: '1', credit: '2' })
      expect(await stage.answer(2)).to.have.nested.property('result.credit', '2')
      await until(() => blocks() === 5, 'five')
      stage.say({ cmd: 'endBlocks', id: 3, stream: '1' })
      await stage.answer(3)
      expect([blocks(), read]).to.deep.equal([5, 5])
      stage.say({ cmd: 'moreBlocks', id: 4, stream: '1', credit: 1 })
      expect(await stage.answer(4)).to.have.nested.property('error.code', 'unknown_stream')
    })

    it('without credit the pipe sets the pace', async () => {
      const stage = new Stage()
      let read = 0
      stage.blocks = async function * () { for (let height = 1n; ; height++) { read++; yield block(height); await turn() } }
      stage.start({ read: false }).say({ cmd: 'blocks', id: 1, from: 1 })
      await until(() => read > 0, 'the first')
      await turn(50)
      expect(read).to.be.below(6)
      stage.read()
      await until(() => read > 1_000, 'many')
      stage.input.end()
      expect(await stage.session).to.equal('end_of_input')
    })

    it('nothing of a stream comes after the answer that ended it', async () => {
      const stage = new Stage()
      stage.blocks = async function * () { for (let height = 1n; ; height++) { yield block(height); await turn() } }
      stage.start().say({ cmd: 'blocks', id: 1, from: 1 })
      await stage.line(({ blockNumber }) => blockNumber === '50', 'fifty')
      stage.say({ cmd: 'endBlocks', id: 2, stream: '1' })
      await stage.answer(2)
      stage.say({ cmd: 'head', id: 3 })
      await stage.answer(3)
      expect(stage.names().slice(-2)).to.deep.equal([2, 3])
    })

    it('a stream that fails says why; the session goes on; seventeen are too many', async () => {
      const stage = new Stage()
      stage.blocks = async function * () { yield block(1n); throw Object.assign(new Error('the store is closed'), { code: 'closed' }) }
      stage.start().say({ cmd: 'blocks', id: 1, from: 1 })
      expect(await stage.line(({ event }) => event === 'streamEnded', 'its end')).to.have.nested.property('error.code', 'closed')
      stage.blocks = async function * () { await new Promise(() => undefined) }
      for (let id = 2; id <= 18; id++) stage.say({ cmd: 'blocks', id, from: 1 })
      expect(await stage.answer(18)).to.have.deep.property('error', { code: 'too_many_streams', message: 'a session has at most 16 streams', value: '16', limit: '16' })
      expect(await stage.answer(17)).to.have.property('result')
    })
  })
})

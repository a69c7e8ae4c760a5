import { expect } from 'chai'
import { sessionCommands } from '../../src/cli/stdio-commands.js'
import { MAX_LINE } from '../../src/cli/stdio.js'
import { until } from '../support/until.js'
import { documentedCommands, wrongWith } from './documented.js'
import { HASH, Stage, gate, head, turn } from './stage.js'

describe('cli/stdio session', () => {
  it('every command is documented, and nothing else is', () => {
    expect([...Object.keys(sessionCommands), 'stop'].sort()).to.deep.equal([...documentedCommands].sort())
  })

  it('begins with ready, whatever was said before, and ends with stopped', async () => {
    const stage = new Stage()
    stage.broadcast.publish(head(1n))
    stage.say({ cmd: 'head', id: 1 })
    stage.input.end()
    expect(await stage.start().session).to.equal('end_of_input')
    expect(stage.lines[0]).to.deep.equal({
      event: 'ready',
      peerId: 'peer-of-ours',
      addresses: ['/memory/1/p2p/peer-of-ours'],
      at: 1,
    })
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
      ['not json', 'bad_json'],
      ['', 'bad_json'],
      ['   ', 'bad_json'],
      ['\u0000\u0001\ufffd', 'bad_json'],
      ['{"cmd":"head"', 'bad_json'],
      ['[1]', 'bad_command'],
      ['null', 'bad_command'],
      ['{}', 'bad_command'],
      ['{"cmd":5}', 'bad_command'],
      [`{"cmd":"head","id":${deep}}`, 'bad_command'],
      ['{"cmd":"nonsense"}', 'unknown_command'],
      ['{"cmd":"toString"}', 'unknown_command'],
      ['{"cmd":"__proto__"}', 'unknown_command'],
      ['{"cmd":"storedTxList"}', 'missing_field'],
      ['{"cmd":"storedTxList","hash":null}', 'missing_field'],
      ['{"cmd":"storedTxList","hash":5}', 'bad_field'],
      ['{"cmd":"storedTxList","hash":"xy"}', 'bad_field'],
      [`{"cmd":"storedTxList","hash":${deep}}`, 'bad_field'],
      ['{"cmd":"rewind","to":-1}', 'bad_field'],
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
        signal.addEventListener(
          'abort',
          () => resolve({ outcome: 'cancelled', code: undefined, from: 1n, to: 5n, blocks: 5, ms: 20 }),
          { once: true },
        )
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
    const stage: Stage = new Stage({
      dial: async () => hanging,
      stop: async () => {
        stage.broadcast.close()
        fail(Object.assign(new Error('closed'), { code: 'closed' }))
      },
    }).start()
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
    const stage = new Stage({ head: async () => ({ blockNumber: BigInt(++begun), submissionWindowEnd: 0n }) }).start({
      read: false,
    })
    for (let id = 0; id < 1_000; id++) stage.say({ cmd: 'head', id })
    await until(() => begun > 60, 'the first commands')
    await turn(20)
    expect(begun).to.be.within(64, 110)
    stage.read()
    await stage.answer(999)
    expect(stage.lines.filter(({ id }) => id !== undefined).map(({ id }) => id)).to.deep.equal(
      Array.from({ length: 1_000 }, (_, id) => id),
    )
  })

  it('large lines are held back sooner', async () => {
    let begun = 0
    const published = gate<{ hash: Uint8Array; recipients: number; stored: boolean; known: boolean }>()
    const stage = new Stage({ publishTxList: async () => { begun++; return published.promise } }).start()
    const txlist = '00'.repeat(2_097_152)
    for (let id = 0; id < 8; id++) stage.say({ cmd: 'publishTxList', id, txlist })
    await until(() => begun === 5, 'five of them')
    await turn(20)
    expect(begun).to.equal(5)
    published.open({ hash: HASH, recipients: 2, stored: true, known: false })
    expect((await stage.answer(7))['result']).to.deep.equal({ hash: '07'.repeat(32), recipients: '2', stored: true, known: false })
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
})

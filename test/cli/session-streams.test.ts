import { expect } from 'chai'
import type { StreamItem } from '../../src/index.js'
import { until } from '../support/until.js'
import { wrongWith } from './documented.js'
import { HASH, Stage, turn } from './stage.js'

describe('cli/stdio session: streams of blocks', () => {
  const block = (height: bigint): StreamItem => ({
    kind: 'block',
    cursor: `${height}:${'07'.repeat(32)}`,
    blockNumber: height,
    commitment: undefined as never,
    ssz: new Uint8Array(382),
    hash: HASH,
    signer: new Uint8Array(20),
    txList: undefined,
  })

  it('items follow the answer, in order, and say so when the stream ends by itself', async () => {
    const stage = new Stage()
    stage.items = [
      block(1n),
      { kind: 'skipped', from: 2n, to: 3n, cursor: '3::1:0102030405060708:s2' },
      { kind: 'stalled', height: 4n },
      { kind: 'rewind', to: 1n, reset: true, cursor: '1::2:0102030405060708:reset' },
    ]
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
    stage.blocks = async function* () {
      yield block(1n)
      throw Object.assign(new Error('the store is closed'), { code: 'closed' })
    }
    stage.start().say({ cmd: 'blocks', id: 1, from: 1 })
    expect(await stage.line(({ event }) => event === 'streamEnded', 'its end')).to.have.nested.property('error.code', 'closed')
    stage.blocks = async function * () { await new Promise(() => undefined) }
    for (let id = 2; id <= 18; id++) stage.say({ cmd: 'blocks', id, from: 1 })
    expect(await stage.answer(18)).to.have.deep.property('error', {
      code: 'too_many_streams',
      message: 'a session has at most 16 streams',
      value: '16',
      limit: '16',
    })
    expect(await stage.answer(17)).to.have.property('result')
  })
})

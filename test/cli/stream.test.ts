import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import { silentLogger } from '../../src/actors/kernel/index.js'
import { serveStdio } from '../../src/cli/stdio.js'
import { SignedCommitmentCodec, loadCrypto, signCommitment, signerFromKey, toHex } from '../../src/protocol/index.js'
import { ChainMaker, KEY, TIP, TestNet } from '../support/nodes.js'
import type { TestNode } from '../support/nodes.js'
import { until } from '../support/until.js'
import { wrongWith } from './documented.js'
import type { Line } from './process.js'

/** A session of a real node, in memory. */
function open({ service }: TestNode) {
  const input = new PassThrough()
  const output = new PassThrough()
  const lines: Line[] = []
  let text = ''
  output.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = `${text}${chunk}`.split('\n')
    text = parts.pop()!
    lines.push(...parts.map(part => JSON.parse(part) as Line))
  })
  const ended = serveStdio(service, { input, output, log: silentLogger, signal: new AbortController().signal, now: () => 1 })
  let next = 1
  const send = (cmd: string, fields: Line = {}): number => {
    input.write(`${JSON.stringify({ cmd, id: next, ...fields })}\n`)
    return next++
  }
  const call = async (cmd: string, fields: Line = {}): Promise<Line> => {
    const id = send(cmd, fields)
    const answer = await until(() => lines.find(line => line['id'] === id), `an answer to ${cmd}`)
    expect(wrongWith(answer, cmd)).to.deep.equal([])
    if (answer['error'] !== undefined) throw Object.assign(new Error(JSON.stringify(answer['error'])), answer['error'])
    return answer['result'] as Line
  }
  return { input, lines, ended, send, call, items: (stream: string) => lines.filter(line => line['stream'] === stream) }
}

async function signedChain(count: number, txListBytes = 50, windowEnd?: bigint) {
  const chain = await ChainMaker.create(windowEnd)
  const crypto = await loadCrypto()
  return Promise.all(
    Array.from({ length: count }, () => chain.block({ txListBytes })).map(async ({ commitment, txList, hash }) => ({
      ssz: toHex(SignedCommitmentCodec.encode(await signCommitment(commitment, signerFromKey(KEY), { crypto }))),
      txlist: toHex(txList),
      hash: toHex(hash),
    })),
  )
}

describe('cli/stdio with a real node', function () {
  let net: TestNet
  beforeEach(() => { net = new TestNet('memory') })
  afterEach(async () => { await net.stop() })

  it('a stream gives the chain in order, follows it live, tells of a rewind, and goes on from a cursor', async () => {
    const session = open(await net.start())
    const blocks = await signedChain(6)
    const publish = async (from: number, to: number): Promise<void> => {
      for (const { ssz, txlist } of blocks.slice(from, to)) {
        await session.call('publishTxList', { txlist })
        await session.call('publishCommitment', { ssz })
      }
    }
    await publish(0, 3)
    const { stream } = await session.call('blocks', { from: '998', withTxList: true }) as { stream: string }
    await until(() => session.items(stream).length === 4, 'what is stored')
    await publish(3, 6)
    await until(() => session.items(stream).length === 7, 'what is new')
    const [skipped, ...items] = session.items(stream)
    expect(skipped).to.deep.include({ event: 'skipped', from: '998', to: '999' })
    expect(items.map(({ ssz, txlist, hash }) => ({ ssz, txlist, hash }))).to.deep.equal(blocks)
    expect(items.map(({ blockNumber }) => blockNumber)).to.deep.equal(['1000', '1001', '1002', '1003', '1004', '1005'])

    await session.call('rewind', { to: '1003' })
    await until(() => session.items(stream).length === 8, 'the rewind')
    const rewound = session.items(stream).at(-1)
    expect(rewound).to.deep.include({ event: 'rewind', to: '1003', reset: false })
    expect(rewound?.['cursor']).to.match(new RegExp(`^1003:${blocks[3]!.hash}:1:`))
    await session.call('endBlocks', { stream })

    const { stream: second } = await session.call('blocks', { from: items[1]!['cursor'], credit: 1 }) as { stream: string }
    await until(() => session.items(second).length === 1, 'the next one')
    expect(session.items(second)[0]).to.deep.include({ event: 'block', blockNumber: '1002', txlist: null })
    await session.call('moreBlocks', { stream: second, credit: 5 })
    await until(() => session.items(second).length === 2, 'and the next')
    expect(session.lines.flatMap(line => line['event'] === undefined ? [] : wrongWith(line))).to.deep.equal([])
    expect(session.lines.filter(({ event, stream: of }) => event === 'rewind' && of === undefined)).to.have.length(1)
    session.input.end()
    expect(await session.ended).to.equal('end_of_input')
  })

  it('a place that is none is an error at once', async () => {
    const session = open(await net.start())
    for (const from of ['5:zz', ':', '5:', `5:${'00'.repeat(31)}`, `x:${'00'.repeat(32)}`]) {
      expect(await session.call('blocks', { from }).catch((error: unknown) => error), from).to.have.property('code', 'bad_cursor')
    }
    expect(await session.call('blocks', { from: 'x' }).catch((error: unknown) => error)).to.have.property('code', 'bad_field')
    session.input.end()
    await session.ended
  })

  it('commands that are sent together begin in their order', async () => {
    const session = open(await net.start())
    const blocks = await signedChain(20)
    const ids = blocks.flatMap(({ ssz, txlist }) => [
      session.send('publishTxList', { txlist }),
      session.send('publishCommitment', { ssz }),
    ])
    session.input.end()
    expect(await session.ended).to.equal('end_of_input')
    const answers = ids.map(id => session.lines.find(line => line['id'] === id))
    expect(answers.filter(answer => (answer?.['result'] as Line | undefined)?.['hash'] === undefined)).to.deep.equal([])
    expect(session.lines.filter(({ event }) => event === 'head').at(-1)).to.have.property('blockNumber', String(TIP + 20n))
    expect(session.lines.filter(({ event }) => event === 'stored')).to.have.length(40)
  })

  it('evidence names both messages of a signer who signed twice for one place', async () => {
    const honest = await net.start()
    const session = open(honest)
    const publishers = [await net.start({}, [honest]), await net.start({}, [honest])]
    for (const node of [honest, ...publishers]) await node.meshed(node === honest ? 2 : 1)
    const [cheat, other] = publishers.map(open) as [ReturnType<typeof open>, ReturnType<typeof open>]
    // One window for both, or it would not be one place.
    const windowEnd = BigInt(Math.ceil(Date.now() / 1_000) + 600)
    const [[first], [second]] = [await signedChain(1, 50, windowEnd), await signedChain(1, 60, windowEnd)]
    await Promise.all([
      cheat.call('publishCommitment', { ssz: first!.ssz }),
      other.call('publishCommitment', { ssz: second!.ssz }),
    ])
    expect(await until(() => session.lines.find(({ event }) => event === 'equivocation'), 'the event')).to.have.property(
      'blockNumber',
      '1000',
    )
    const found = await until(
      async () => ((await session.call('evidence', { from: '0', max: 10 }))['evidence'] as Line[])[0],
      'evidence',
    )
    expect(found).to.deep.include({ kind: 'equivocation', blockNumber: '1000', signer: toHex(signerFromKey(KEY).address) })
    expect(found['messages']).to.have.members([first!.ssz, second!.ssz])
    for (const { input, ended } of [session, cheat, other]) {
      input.end()
      await ended
    }
  })

  it('updateHead takes both fields, or neither to take the override back', async () => {
    const session = open(await net.start())
    await session.call('updateHead', { blockNumber: '77', submissionWindowEnd: 5 })
    expect(await session.call('updateHead', { blockNumber: 5 }).catch((error: unknown) => error)).to.have.property(
      'code',
      'missing_field',
    )
    await session.call('updateHead', { blockNumber: null })
    expect(await session.call('head')).to.deep.equal({ blockNumber: '0', submissionWindowEnd: '0' })
    session.input.end()
    await session.ended
  })
})

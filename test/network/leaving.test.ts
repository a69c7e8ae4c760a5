import { expect } from 'chai'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { FrameReader, encodeFrame, protocolsOf } from '../../src/protocol/index.js'
import { PendingResponses } from '../../src/actors/network/index.js'
import { describeTransports } from '../support/transport.js'
import type { TestTransport } from '../support/transport.js'
import { until } from '../support/until.js'
import { CHAIN, WITHIN, equal, headRequest, pass, passing, startNode, stopAll } from './harness.js'
import type { TestNode, TestNodeOptions } from './harness.js'
import { collect, rawPeer, stopRawPeers } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

const protocols = protocolsOf(CHAIN)
const head = new Uint8Array(64).fill(7)
const sleep = (ms: number) => new Promise(resolve => { setTimeout(resolve, ms) })

/** A node whose chain answers at once, also while it is being stopped, and a plain peer connected to it. */
async function pair(transport: TestTransport, answering = true, options: TestNodeOptions = {}): Promise<{ node: TestNode; peer: RawPeer; answers: PendingResponses }> {
  const answers = new PendingResponses()
  const [node, peer] = await Promise.all([startNode(transport, { ...options, answers }), rawPeer(transport)])
  const { chain } = node
  const send = chain.send.bind(chain)
  chain.send = message => {
    const feedback = send(message)
    if (answering && message.type === 'serveHead') setImmediate(() => { void answers.send({ type: 'answer', request: message.request, body: head }) })
    return feedback
  }
  await peer.dial(node.address)
  return { node, peer, answers }
}

/** One request; `unsent` where the connection had closed before. */
async function ask(peer: RawPeer, node: TestNode): Promise<'answered' | 'unanswered' | 'unsent'> {
  let stream
  try { stream = await peer.open(node.peerId, protocols.head) } catch { return 'unsent' }
  const { bytes, ended } = collect(stream)
  try { stream.send(encodeFrame(headRequest)) } catch { return 'unsent' }
  stream.close().catch(() => undefined)
  await ended
  const body = new FrameReader(100).push(bytes())
  return body !== undefined && equal(body, head) ? 'answered' : 'unanswered'
}

describeTransports('network: leaving', transport => {
  const ways = {
    stopping: ({ node }: { node: TestNode }) => node.stop(),
    'hanging up': ({ node, peer }: { node: TestNode; peer: RawPeer }) => node.network.hangUp(peer.peerId, WITHIN),
    expelling: async ({ node, peer }: { node: TestNode; peer: RawPeer }) => {
      void node.network.expel(peer.peerId, 'ban')
      await until(() => peer.node.getConnections().length === 0, 'expelled')
    },
  }
  for (const [how, leave] of Object.entries(ways)) {
    it(`H40: ${how} leaves no request without its answer, whenever it comes`, async () => {
      const found = { answered: 0, unanswered: 0, unsent: 0 }
      for (let round = 0; round < (transport === 'memory' ? 12 : 6); round++) {
        const both = await pair(transport)
        let left = false
        let [asked, begun] = [0, (): void => undefined]
        const reached = new Promise<void>(resolve => { begun = resolve })
        // bursts back to back, with breaks as every asker makes that keeps to its quota: the silence that the node waits for
        const asking = (async () => {
          for (let i = 0; !left; i++) {
            if (i % 6 === 5) { await sleep(120); continue }
            const one = ask(both.peer, both.node)
            if (++asked === 3 + round % 4) begun()
            found[await one]++
            await sleep(i % 3 * 8)
          }
        })()
        await reached
        // at another step of the exchange each time
        for (let turns = round; turns > 0; turns--) await new Promise(setImmediate)
        try {
          await leave(both)
        } finally {
          // else it would ask for ever
          left = true
        }
        await asking
        await stopAll()
        await stopRawPeers()
      }
      expect(found.unanswered).to.equal(0)
      expect(found.answered).to.be.above(20)
    })
  }

  it('H40: whoever never pauses holds a stop up for 5 s, and what began by then is answered', async () => {
    const clock = new ManualClock()
    const { node, peer, answers } = await pair(transport, false, { clock })
    const asking: Array<ReturnType<typeof ask>> = []
    /** Another request is under way before the one before it is answered. */
    const next = async (): Promise<void> => {
      asking.push(ask(peer, node))
      const requests = await until(() => {
        const all = node.chain.received.flatMap(message => message.type === 'serveHead' ? [message.request] : [])
        return all.length === asking.length ? all : undefined
      }, 'asked')
      const before = requests.at(-2)
      if (before !== undefined) void answers.send({ type: 'answer', request: before, body: head })
    }
    await next()
    let over = false
    const stopped = node.stop().then(() => { over = true })
    for (let second = 1; second <= 5; second++) {
      await next()
      await pass(clock, 990)
      expect(over, `after ${second} s`).to.equal(false)
    }
    await pass(clock, 100)
    // the last that began in time is answered, and another one is under way
    await next()
    await passing(clock, stopped)
    expect(await Promise.all(asking.slice(0, -1))).to.deep.equal(asking.slice(1).map(() => 'answered'))
    expect(await asking.at(-1)).to.not.equal('answered')
  })

  it('H40: while a node is being stopped its rooms still answer, and nobody is let in', async () => {
    const { node, peer, answers } = await pair(transport, false)
    const first = ask(peer, node)
    const asked = (count: number) => until(() => {
      const requests = node.chain.received.flatMap(message => message.type === 'serveHead' ? [message.request] : [])
      return requests.length === count ? requests : undefined
    }, `${count} asked`)
    await asked(1)
    const stopped = node.stop()
    const second = ask(peer, node)
    const requests = await asked(2)
    const stranger = await rawPeer(transport)
    await stranger.dial(node.address).catch(() => undefined)
    await until(() => stranger.node.getConnections().length === 0, 'not let in')
    expect(peer.node.getConnections()).to.have.length(1)
    for (const request of requests) void answers.send({ type: 'answer', request, body: head })
    expect(await Promise.all([first, second])).to.deep.equal(['answered', 'answered'])
    await stopped
    await until(() => peer.node.getConnections().length === 0, 'closed')
  })

  it('H40: a stream whose request is still coming is waited for', async () => {
    const clock = new ManualClock()
    const { node, peer } = await pair(transport, true, { clock })
    const stream = await peer.open(node.peerId, protocols.head)
    const { bytes, ended } = collect(stream)
    const frame = encodeFrame(headRequest)
    stream.send(frame.subarray(0, 2))
    await until(async () => (await node.network.figures(WITHIN)).now.inboundStreams === 1, 'open')
    const stopped = node.stop()
    await pass(clock, 900)
    stream.send(frame.subarray(2))
    await stream.close()
    await ended
    expect(new FrameReader(100).push(bytes())).to.deep.equal(head)
    await passing(clock, stopped)
  })
})

describe('network: awaited answers', () => {
  it('reach who asked, under a number that never comes again', async () => {
    const answers = new PendingResponses()
    const { signal } = new AbortController()
    const numbers: number[] = []
    const obtain = () => answers.obtain(number => { numbers.push(number); return 'ok' }, signal)
    const [first, second] = [obtain(), obtain()]
    expect(answers.send({ type: 'answer', request: numbers[1] ?? 0, body: head })).to.equal('ok')
    expect(await second).to.equal(head)
    answers.giveUp()
    expect(await first).to.equal(undefined)
    expect(numbers.map(request => answers.send({ type: 'answer', request, body: head }))).to.deep.equal(['closed', 'closed'])
    const third = obtain()
    expect(new Set(numbers).size).to.equal(3)
    answers.giveUp()
    await third
  })

  it('come to nothing where the room does not take the question, or the time is over', async () => {
    const answers = new PendingResponses()
    const late = new AbortController()
    expect(await answers.obtain(() => 'closed', late.signal)).to.equal(undefined)
    const waiting = answers.obtain(() => 'ok', late.signal)
    late.abort()
    expect(await waiting).to.equal(undefined)
  })
})

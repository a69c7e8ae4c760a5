import { expect } from 'chai'
import { PRECONFIRMATION_SIZE, loadCrypto, preconfirmationHash } from '../../src/protocol/index.js'
import { ATTACKS, attackMessages, highS } from '../../bench/net/attacks.js'
import { TIP, chainOf, heightOf } from '../../bench/net/blocks.js'
import { evenly } from '../../bench/net/pace.js'
import { ArrivalRecorder } from '../../bench/net/recorder.js'
import { slope } from '../../bench/net/slope.js'

describe('bench: what the nodes of a bench are given', () => {
  it('blocks follow each other above the tip', async () => {
    const crypto = await loadCrypto()
    const chain = await chainOf()
    const blocks = [...chain.next(3), ...chain.next(2)]
    expect(blocks.map(heightOf)).to.deep.equal([1, 2, 3, 4, 5].map(above => TIP + above))
    for (const [at, block] of blocks.slice(1).entries()) {
      const parent = preconfirmationHash(crypto, blocks[at]!.subarray(0, PRECONFIRMATION_SIZE))
      expect(Buffer.from(block).includes(Buffer.from(parent))).to.equal(true)
    }
  })

  it('attacks are of different messages, and a high S is one', async () => {
    for (const attack of ATTACKS) {
      const { messages } = await attackMessages(attack, 20)
      expect(new Set(messages.map(message => Buffer.from(message).toString('hex'))).size, attack).to.equal(20)
    }
    const [block] = (await chainOf()).next(1)
    expect(highS(highS(block!))).to.deep.equal(block)
    expect(highS(block!)).not.to.deep.equal(block)
  })
})

describe('bench: helpers', () => {
  it('the slope of a line, whatever lies around it evenly', () => {
    expect(slope([[0, 1], [1, 3], [2, 5]])).to.be.closeTo(2, 1e-12)
    expect(slope([[0, 1], [0, -1], [10, 1], [10, -1]])).to.be.closeTo(0, 1e-12)
    expect(slope([[1, 1]])).to.be.NaN
  })

  it('arrivals are given once, in order', () => {
    const recorder = new ArrivalRecorder()
    recorder.arrived(3)
    recorder.arrived(1)
    expect(recorder.count).to.equal(2)
    const { heights, atMs } = recorder.take()
    expect([...heights]).to.deep.equal([3, 1])
    expect(atMs[1]).to.be.at.least(atMs[0]!)
    expect(recorder.count).to.equal(0)
  })

  it('a pace calls each once and in order', async () => {
    const called: number[] = []
    await evenly(5, 10_000, at => { called.push(at) })
    expect(called).to.deep.equal([0, 1, 2, 3, 4])
  })
})

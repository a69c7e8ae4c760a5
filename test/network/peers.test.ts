import { expect } from 'chai'
import type { Connection } from '@libp2p/interface'
import { PeerTable } from '../../src/actors/network/connections/peer-table.js'

/** As much of a connection as the book looks at. */
function connection(peer: string, direction: 'inbound' | 'outbound' = 'outbound'): Connection {
  return { remotePeer: { toString: () => peer }, remoteAddr: { toString: () => `/memory/${peer}` }, direction, status: 'open' } as unknown as Connection
}

const book = () => new PeerTable({ refusedWithinMs: 1_000, refusedMs: 7_200_000 })

describe('network: peer book', () => {
  it('H29: counts peers, not connections', () => {
    const peers = book()
    const [first, second] = [connection('p'), connection('p', 'inbound')]
    expect(peers.opened(first, 0)).to.equal(true)
    expect(peers.opened(second, 1)).to.equal(false)
    expect([peers.size, peers.inbound, peers.outbound, peers.of('p')]).to.deep.equal([1, 1, 1, 2])
    expect(peers.closed(first, false, 5_000)).to.deep.equal({ peer: 'p', last: false, refused: false })
    expect(peers.closed(first, false, 5_000)).to.equal(undefined)
    expect(peers.closed(second, false, 5_000)).to.deep.equal({ peer: 'p', last: true, refused: false })
    expect([peers.size, peers.inbound, peers.outbound]).to.deep.equal([0, 0, 0])
  })

  it('H41: a peer that closes within 1 s of our dial has refused us, for hours', () => {
    const peers = book()
    const dialled = connection('p')
    peers.opened(dialled, 0)
    expect(peers.closed(dialled, false, 40)?.refused).to.equal(true)
    expect(peers.refusedUntil('p', 3_600_000)).to.equal(7_200_040)
    expect(peers.refused(50)).to.deep.equal([{ peer: 'p', address: '/memory/p' }])
    expect(peers.refusedUntil('p', 7_200_040)).to.equal(undefined)
    expect(peers.refused(7_200_041)).to.deep.equal([])
  })

  it('H41: not so when we closed, when we were hanging up, when it came to us, or after more than 1 s', () => {
    for (const [direction, byUs, leaving, at] of [
      ['outbound', true, false, 40], ['outbound', false, true, 40], ['inbound', false, false, 40], ['outbound', false, false, 1_000],
    ] as const) {
      const peers = book()
      const each = connection('p', direction)
      peers.opened(each, 0)
      if (leaving) peers.leave('p')
      expect(peers.closed(each, byUs, at)?.refused, `${direction} ${byUs} ${leaving} ${at}`).to.equal(false)
    }
  })

  it('H41: a connection that we closed ourselves is no refusal, though its peer stays welcome', () => {
    const peers = book()
    const dialled = connection('p')
    peers.opened(dialled, 0)
    peers.closing(dialled)
    expect(peers.closed(dialled, false, 40)?.refused).to.equal(false)
    expect(peers.refusedUntil('p', 50)).to.equal(undefined)
  })

  it('H41: forgets a refusal when the peer stays with us after all, or when told to', () => {
    const peers = book()
    const dialled = connection('p')
    peers.opened(dialled, 0)
    peers.closed(dialled, false, 40)
    const inbound = connection('p', 'inbound')
    peers.opened(inbound, 100)
    expect(peers.refused(200)).to.deep.equal([])
    peers.closed(inbound, false, 60_000)
    expect(peers.refusedUntil('p', 60_001)).to.equal(undefined)
    peers.opened(dialled, 70_000)
    peers.closed(dialled, false, 70_010)
    peers.forgive('p')
    expect(peers.refusedUntil('p', 70_011)).to.equal(undefined)
  })

  it('H27: rotates over the peers that speak the protocol, without the excluded ones and those that leave', () => {
    const peers = book()
    for (const id of ['a', 'b', 'c', 'd', 'e']) {
      peers.opened(connection(id), 0)
      if (id !== 'd') peers.identified(id, 'x/1', id === 'e' ? ['/other'] : ['/head'])
    }
    const turns: string[] = []
    for (let i = 0; i < 6; i++) {
      const next = peers.candidates('/head', new Set())[0]
      if (next === undefined) break
      turns.push(next.peer)
      peers.asked(next.peer)
    }
    expect(turns).to.deep.equal(['a', 'b', 'c', 'a', 'b', 'c'])
    expect(peers.candidates('/head', new Set(['a'])).map(({ peer }) => peer)).to.deep.equal(['b', 'c'])
    peers.leave('b')
    expect(peers.candidates('/head', new Set(['a'])).map(({ peer }) => peer)).to.deep.equal(['c'])
  })
})

import { expect } from 'chai'
import { blocks } from '../../src/actors/service/blocks.js'
import type { StreamItem } from '../../src/actors/service/blocks.js'
import { cursorOf, parseCursor } from '../../src/protocol/cursor.js'
import { Wake } from '../../src/actors/service/wake.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { storeOver } from '../../src/actors/store/actor.js'
import { Store } from '../../src/actors/store/ingress.js'
import { memoryDatabase } from '../../src/actors/store/memory.js'
import { Chain } from '../../src/actors/chain/ingress.js'
import type { ChainMessage, ChainStatus, ConfirmedTip } from '../../src/actors/chain/ingress.js'
import type { CommitmentPut, WriteBatch } from '../../src/actors/store/database.js'
import { OFFSETS } from '../../src/protocol/index.js'
import { commitment, hashOf } from '../store/fixtures.js'

/** A linked chain: each names the hash of the one before it. */
function linked(from: bigint, count: number, variant = 0, parent: Uint8Array = new Uint8Array(32)): CommitmentPut[] {
  const made: CommitmentPut[] = []
  for (let at = 0; at < count; at++) {
    const put = commitment({ height: from + BigInt(at), variant, txList: txListOf(from + BigInt(at)) })
    const ssz = put.ssz.slice()
    ssz.set(made.at(-1)?.hash ?? parent, OFFSETS.parentPreconfirmationHash)
    made.push({ ...put, ssz, hash: hashOf(ssz) })
  }
  return made
}

const txListOf = (height: bigint): Uint8Array => new TextEncoder().encode(`txlist of ${height}`)

/** A stream over a real store in memory, on a clock in the test's hand. */
async function rig(limits = {}) {
  const kit = testKit()
  const events = kit.probe()
  const judging = kit.probe<ChainMessage>('chain')
  const tip: { confirmedTip: ConfirmedTip | undefined } = { confirmedTip: undefined }
  judging.answer('standing', () => tip as ChainStatus)
  const chain = new Chain(judging)
  const ref = await kit.spawn(storeOver(() => memoryDatabase({ limits }), { chain: judging, answers: kit.probe(), events }))
  const handle = new Store(ref)
  const news = new Wake()
  let sequence = 0
  const write = async (batch: WriteBatch) => {
    void handle.write(++sequence, undefined, batch)
    await kit.settle()
    news.wake()
    await kit.settle()
  }
  const open = (from: bigint | string, options: { withTxList?: boolean; signal?: AbortSignal } = {}) => {
    const stream = blocks({ store: handle, chain, news, clock: kit.clock }, { from, ...options })
    const items: StreamItem[] = []
    let ended = false
    const reading = (async () => {
      for await (const item of stream) items.push(item)
      ended = true
    })()
    return { items, ended: () => ended, reading, stream }
  }
  return { ...kit, write, open, store: handle, news, tip }
}

const shown = (items: readonly StreamItem[]) => items.map(item =>
  item.kind === 'block' ? Number(item.blockNumber) : item.kind === 'rewind' ? `${item.reset === true ? 'reset' : 'rewind'} ${item.to}` : item.kind === 'skipped' ? `skipped ${item.from}-${item.to}` : `stalled ${item.height}`)

const blocksOf = (items: readonly StreamItem[]) => () => shown(items)

describe('the ordered stream', () => {
  it('gives what is stored, then what comes, each block once and in order', async () => {
    const { write, open, settle, stop } = await rig()
    const chain = linked(1n, 200)
    await write({ commitments: chain.slice(0, 150) })
    const { items } = open(1n)
    await settle()
    expect(items).to.have.length(150)
    for (const each of chain.slice(150)) await write({ commitments: [each] })
    expect(shown(items)).to.deep.equal(Array.from({ length: 200 }, (_, at) => at + 1))
    await stop()
  })

  it('goes on right behind a cursor', async () => {
    const { write, open, settle, stop } = await rig()
    const chain = linked(1n, 10)
    await write({ commitments: chain })
    const { items } = open(cursorOf({ blockNumber: 4n, hash: chain[3]!.hash, told: undefined }))
    await settle()
    expect(shown(items)).to.deep.equal([5, 6, 7, 8, 9, 10])
    await stop()
  })

  it('says how far to go back when the chain was rewound, then gives the new blocks', async () => {
    const { write, open, settle, stop } = await rig()
    const chain = linked(1n, 10)
    await write({ commitments: chain })
    const { items } = open(1n)
    await settle()
    const other = linked(6n, 6, 1, chain[4]!.hash)
    await write({ rewindTo: 5n })
    await write({ commitments: other })
    expect(shown(items)).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 'rewind 5', 6, 7, 8, 9, 10, 11])
    await stop()
  })

  it('H47 a reader that comes back is told the lowest height of all that it missed, once, whatever it had', async () => {
    const { write, open, settle, stop } = await rig()
    const chain = linked(1n, 10)
    await write({ commitments: chain })
    const before = open(1n)
    await settle()
    await before.stream.return()
    const cursors = before.items.map(item => item.kind === 'stalled' ? '' : item.cursor)
    await write({ rewindTo: 7n })
    await write({ rewindTo: 5n, commitments: linked(6n, 3, 1, chain[4]!.hash) })
    await write({ commitments: linked(9n, 2, 1), rewindTo: 7n })
    for (const [at, expected] of [[9, ['rewind 5', 6, 7, 9, 10]], [6, ['rewind 5', 6, 7, 9, 10]], [4, [6, 7, 9, 10]], [1, [3, 4, 5, 6, 7, 9, 10]]] as const) {
      const { items } = open(cursors[at]!)
      await settle()
      expect(shown(items).filter(item => item !== 'skipped 8-8'), `from block ${at + 1}`).to.deep.equal(expected)
      const next = open((items[0] as { cursor: string }).cursor)
      await settle()
      expect(shown(next.items), 'not told again').to.deep.equal(shown(items.slice(1)))
    }
    await stop()
  })

  it('H47 two rewinds between two pulls, and blocks of a hand-over as ancestor: the deepest is told', async () => {
    const { write, open, settle, stop } = await rig()
    const chain = linked(100n, 5)
    const handover = { ...commitment({ height: 105n, handover: true }), standing: 'canonical' as const }
    await write({ commitments: [...chain, handover, ...linked(105n, 1, 0, handover.hash)] })
    const pulled = blocksOf(open(100n).items)
    await settle()
    expect(pulled()).to.deep.equal([100, 101, 102, 103, 104, 105])
    await write({ rewindTo: 104n, commitments: linked(105n, 1, 1, handover.hash), standings: [{ hash: handover.hash, standing: 'canonical' }] })
    await write({ rewindTo: 101n, commitments: linked(102n, 5, 2, chain[1]!.hash) })
    expect(pulled().slice(6)).to.deep.equal(['rewind 104', 105, 'rewind 101', 102, 103, 104, 105, 106])
    await stop()
  })

  it('H47 a block that has taken the place of another, in whatever field of a write, is a rewind', async () => {
    const { write, open, settle, stop } = await rig()
    const chain = linked(1n, 6)
    await write({ commitments: chain })
    const { items } = open(1n)
    await settle()
    await write({ commitments: linked(4n, 1, 1, chain[2]!.hash) })
    await write({ standings: [{ hash: chain[1]!.hash, standing: 'demoted' }] })
    await write({ forget: [chain[0]!.hash] })
    expect(shown(items).filter(item => typeof item === 'string' && item.startsWith('rewind'))).to.deep.equal(['rewind 3', 'rewind 1', 'rewind 0'])
    await stop()
  })

  it('H47 an old cursor, and one of another store, is judged by its hash; where that says nothing the stream begins anew and says so', async () => {
    const { write, open, settle, stop, tip } = await rig()
    const chain = linked(1n, 10)
    await write({ commitments: chain })
    await write({ rewindTo: 5n, commitments: linked(6n, 3, 1, chain[4]!.hash) })
    const from = async (cursor: string) => { const { items } = open(cursor); await settle(); return items }
    const at = (height: number, told: { store: string; number: number } | undefined) => cursorOf({ blockNumber: BigInt(height), hash: chain[height - 1]!.hash, told })
    const other = { store: 'f'.repeat(16), number: 0 }
    for (const told of [undefined, other]) {
      expect(shown(await from(at(4, told)))).to.deep.equal([5, 6, 7, 8])
      expect(shown(await from(at(9, told)))).to.deep.equal(['reset 0', 1, 2, 3, 4, 5, 6, 7, 8])
    }
    tip.confirmedTip = { blockNumber: 3n }
    const reset = await from(at(9, other))
    expect(shown(reset)).to.deep.equal(['reset 3', 4, 5, 6, 7, 8])
    expect(reset[0]).to.include({ reset: true })
    const [store] = (reset[0] as { cursor: string }).cursor.split(':').slice(3)
    expect(shown(await from(at(9, { store: store!, number: 99 }))), 'a number above ours').to.deep.equal(['reset 3', 4, 5, 6, 7, 8])
    expect(shown(await from(at(4, { store: store!, number: 99 })))).to.deep.equal([5, 6, 7, 8])
    expect(shown(await from((reset[0] as { cursor: string }).cursor))).to.deep.equal([4, 5, 6, 7, 8])
    // Below the tip nothing says from where on it has another chain: here from 6 on.
    tip.confirmedTip = { blockNumber: 8n }
    expect(shown(await from(at(8, other)))).to.deep.equal(['reset 0', 1, 2, 3, 4, 5, 6, 7, 8])
    await stop()
  })

  it('H47 after 4,096 rewinds a cursor from before is judged by its hash; no two items have one cursor', async () => {
    const { write, open, settle, stop } = await rig()
    const chain = linked(1n, 3)
    await write({ commitments: chain })
    const { items } = open(1n)
    await settle()
    const away = open(1n)
    await settle()
    await away.stream.return()
    const fork = linked(3n, 1, 1, chain[1]!.hash)[0]!
    for (let at = 0; at < 4_100; at++) await write({ commitments: [at % 2 === 0 ? fork : chain[2]!] })
    const cursor = (item: StreamItem): string => item.kind === 'stalled' ? '' : item.cursor
    expect(new Set(items.map(cursor)).size).to.equal(items.length)
    const back = open(cursor(away.items[2]!))
    await settle()
    expect(shown(back.items)).to.deep.equal([])
    const lost = open(cursor(items.find(item => item.kind === 'block' && item.hash.every((byte, index) => byte === fork.hash[index]))!))
    await settle()
    expect(shown(lost.items)).to.deep.equal(['reset 0', 1, 2, 3])
    await stop()
  })

  it('H47 evicted blocks are skipped, and what was rewound below them is told all the same', async () => {
    const { write, open, settle, stop } = await rig({ commitments: 6 })
    const chain = linked(1n, 6)
    await write({ commitments: chain })
    const { items, stream } = open(1n)
    await settle()
    await stream.return()
    const other = linked(4n, 9, 1, chain[2]!.hash)
    await write({ rewindTo: 3n, commitments: other })
    const back = open((items.at(-1) as { cursor: string }).cursor)
    await settle()
    expect(shown(back.items)).to.deep.equal(['rewind 3', 'skipped 4-6', 7, 8, 9, 10, 11, 12])
    await stop()
  })

  it('H47 a block that comes where the stream has said that there is none is a rewind; what was rewound and comes again is one only once', async () => {
    const { write, open, settle, stop, store } = await rig()
    const chain = linked(1n, 30)
    await write({ commitments: chain.slice(19, 21) })
    const { items } = open(10n)
    await settle()
    await write({ commitments: chain.slice(14, 15) })
    await write({ commitments: chain.slice(15, 19) })
    await write({ commitments: [...chain.slice(21, 23)].reverse() })
    expect(shown(items)).to.deep.equal(['skipped 10-19', 20, 21, 'rewind 14', 15, 'skipped 16-19', 20, 21, 'rewind 15', 16, 17, 18, 19, 20, 21, 22, 23])
    const told = items.length
    // The chain hangs in the air and goes; what fills it begins far below where it was rewound to.
    await write({ rewindTo: 14n, forget: [chain[14]!.hash] })
    await write({ commitments: chain.slice(9, 12) })
    await write({ commitments: chain.slice(12, 16) })
    expect(shown(items.slice(told))).to.deep.equal(['rewind 14', 'rewind 9', 10, 11, 12, 13, 14, 15, 16])
    expect((await store.rewinds(0, undefined, 1_000)).last).to.equal(4)
    await stop()
  })

  it('says what is not kept any more, and what a jump of the tip left out', async () => {
    const { write, open, settle, stop } = await rig()
    await write({ commitments: linked(5n, 2) })
    const { items } = open(1n)
    await settle()
    await write({ commitments: linked(20n, 1) })
    expect(shown(items)).to.deep.equal(['skipped 1-4', 5, 6, 'skipped 7-19', 20])
    await stop()
  })

  it('waits for a txlist, says after 30 s that it is missing, and goes on when it comes', async () => {
    const { write, open, settle, advance, stop } = await rig()
    const chain = linked(1n, 3)
    const put = (height: bigint) => ({ txLists: [{ hash: hashOf(txListOf(height)), bytes: txListOf(height), blockNumber: height }] })
    await write({ commitments: chain, ...put(1n) })
    const { items } = open(1n, { withTxList: true })
    await settle()
    expect(shown(items)).to.deep.equal([1])
    await advance(29_000)
    expect(shown(items)).to.deep.equal([1])
    await advance(2_000)
    expect(shown(items)).to.deep.equal([1, 'stalled 2'])
    await advance(120_000)
    expect(shown(items)).to.deep.equal([1, 'stalled 2'])
    await write(put(2n))
    await write(put(3n))
    expect(shown(items)).to.deep.equal([1, 'stalled 2', 2, 3])
    expect(items.at(-1)).to.have.property('txList').that.deep.equals(txListOf(3n))
    await stop()
  })

  it('a block that is rewound while it waits for its txlist is not given', async () => {
    const { write, open, settle, stop } = await rig()
    const chain = linked(1n, 2)
    await write({ commitments: chain, txLists: [{ hash: hashOf(txListOf(1n)), bytes: txListOf(1n), blockNumber: 1n }] })
    const { items } = open(1n, { withTxList: true })
    await settle()
    await write({ rewindTo: 1n })
    const instead = linked(2n, 1, 1, chain[0]!.hash)
    await write({ commitments: instead, txLists: [{ hash: hashOf(txListOf(2n)), bytes: txListOf(2n), blockNumber: 2n }] })
    expect(shown(items)).to.deep.equal([1, 2])
    expect(items.at(-1)).to.have.property('hash').that.deep.equals(instead[0]!.hash)
    await stop()
  })

  it('H20: a slow reader loses nothing and holds nothing up', async () => {
    const { write, stop, store, news, clock, settle } = await rig()
    const chain = linked(1n, 300)
    const stream = blocks({ store, chain: new Chain({} as never), news, clock }, { from: 1n })
    for (const each of chain) await write({ commitments: [each] })
    const seen: bigint[] = []
    for (let at = 0; at < 300; at++) {
      const next = stream.next()
      await settle()
      const { value } = await next as { value: StreamItem }
      if (value.kind === 'block') seen.push(value.blockNumber)
    }
    expect(seen).to.deep.equal(chain.map((_, at) => BigInt(at + 1)))
    await stop()
  })

  it('ends at the signal, also while it waits', async () => {
    const { open, settle, stop } = await rig()
    const controller = new AbortController()
    const { ended } = open(1n, { signal: controller.signal })
    await settle()
    controller.abort()
    await settle()
    expect(ended()).to.equal(true)
    await stop()
  })

  it('ends when its reader returns while it waits', async () => {
    const { settle, stop, store, news, clock } = await rig()
    const stream = blocks({ store, chain: new Chain({} as never), news, clock }, { from: 1n })
    const waiting = stream.next()
    await settle()
    const returned = stream.return()
    await settle()
    expect((await waiting).done).to.equal(true)
    expect((await returned).done).to.equal(true)
    await stop()
  })

  it('refuses what is no cursor', () => {
    for (const bad of ['', '5', '5:', 'x:00', '5:00', `-2:${'0'.repeat(64)}`, `5:${'g'.repeat(64)}`, `5:${'0'.repeat(64)}:1`, '5::x:0102030405060708', '5::1:0102030405060708:r:r']) {
      expect(parseCursor(bad), bad).to.equal(undefined)
      expect(() => blocks({} as never, { from: bad }), bad).to.throw().that.includes({ code: 'bad_cursor' })
    }
    const at = { blockNumber: 2n ** 255n, hash: new Uint8Array(32).fill(7), told: undefined }
    expect(parseCursor(cursorOf(at))).to.deep.equal(at)
    const counted = { blockNumber: -1n, hash: undefined, told: { store: '0102030405060708', number: 7 } }
    expect(parseCursor(cursorOf(counted, 'r'))).to.deep.equal(counted)
  })
})

import { expect } from 'chai'
import { GroupCommit } from '../../src/actors/store/group-commit.js'
import { failureOf } from './fixtures.js'

/** A disk that refuses when it is told to, and keeps what it has written. */
function disk() {
  const written: string[] = []
  const state = { full: false, written }
  const storage = {
    durable: true, droppedBytes: 0, repaired: false, unknownFiles: [], witnessed: undefined, acknowledged: () => undefined, repair: async () => Promise.resolve(),
    get: async () => Promise.resolve(undefined), getMany: async (keys: readonly unknown[]) => Promise.resolve(keys.map(() => undefined)), range: async () => Promise.resolve([]),
    async write(writes: Iterable<{ readonly key: Uint8Array }>) {
      await Promise.resolve()
      if (state.full) throw Object.assign(new Error('No space left on device'), { code: 'LEVEL_IO_ERROR' })
      for (const { key } of writes) written.push(Buffer.from(key).toString())
    },
    recover: async () => Promise.resolve(), close: async () => Promise.resolve(),
  }
  const writer = new GroupCommit<object>({ storage, load: async () => Promise.resolve({}), finish: async () => Promise.resolve(), committed: () => undefined })
  const write = (sequence: number, after: number | undefined): Promise<void> =>
    writer.enqueue(async txn => { txn.put(Buffer.from(`w${sequence}`), new Uint8Array(1)); return Promise.resolve() }, { sequence, after })
  return { ...state, write, fill: (full: boolean) => { state.full = full } }
}

describe('the row of writes', () => {
  it('is stored without a hole: after a failure none passes before the one that failed has come again', async () => {
    const { write, written, fill } = disk()
    await write(1, undefined)
    fill(true)
    const failing = [write(2, 1), write(3, 2)].map(failureOf)
    for (const failure of failing) expect(await failure).to.include({ code: 'disk_full' })
    fill(false)
    expect(await failureOf(write(4, 3)), 'the one before it has failed').to.include({ code: 'out_of_order', value: 3 })
    expect(await failureOf(write(3, 2)), 'and the one before that').to.include({ code: 'out_of_order', value: 2 })
    expect(written).to.deep.equal(['w1'])
    await Promise.all([write(2, undefined), write(3, 2), write(4, 3)])
    expect(written).to.deep.equal(['w1', 'w2', 'w3', 'w4'])
  })

  it('a write without a place in it is stored as it comes', async () => {
    const { write, written } = disk()
    await write(7, undefined)
    await write(7, undefined)
    expect(written).to.deep.equal(['w7', 'w7'])
  })
})

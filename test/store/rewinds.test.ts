import { expect } from 'chai'
import { readRewinds } from '../../src/actors/store/ledger.js'
import { encodeHeight, sequenceKey } from '../../src/actors/store/schema.js'
import type { Storage } from '../../src/actors/store/storage.js'

describe('store: rewinds', () => {
  it('H47 one that is written while they are read is told with its number, or not counted yet', async () => {
    // Each read is answered as of its call; the rewind is written behind the first one.
    let reads = 0
    const storage = {
      get: async () => undefined,
      range: async () => reads++ === 0 ? [] : [{ key: sequenceKey('w', 1), value: encodeHeight(6n) }],
    } as unknown as Storage
    const { last, to } = await readRewinds(storage, 0)
    expect({ last, to }).to.deep.equal({ last: 1, to: 5n })
  })
})

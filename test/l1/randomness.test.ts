import { expect } from 'chai'
import { padHex, numberToHex } from 'viem'
import { DevL1 } from '../../src/cli/devnet/l1/dev-l1.js'
import type { Hex } from '../../src/actors/schedule/facts.js'
import { beacon, operator } from '../schedule/fake-l1.js'
import { EPOCH, follow, presentEpoch, proxy } from './room.js'

/** EIP-4788: where the contract is, its code, and how many blocks it keeps. */
const BEACON_ROOTS = '0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02'
const CODE = '0x3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560495762001fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001fff015500'
const KEPT = 8_191
const NAMES = ['one', 'two', 'three']

describe('the fallback\'s randomness, by the code of EIP-4788', () => {
  it('L4 of the first block after the beginning of the epoch two before: the header has what the contract reads, whatever slots were missed', async () => {
    const epoch = presentEpoch() - 2 * EPOCH
    const l1 = await DevL1.start({ variant: 'whitelist', time: epoch - 4 * EPOCH, genesis: epoch % EPOCH })
    // anvil does no system calls, and its headers have no root: the contract's storage is set as that call would, and an endpoint before it tells the same of the header
    const roots = new Map<number, Hex>()
    const tells = await proxy(l1.url, (method, result) => method.startsWith('eth_getBlock') && result !== null
      ? { ...result as object, parentBeaconBlockRoot: roots.get(Number((result as { timestamp: Hex }).timestamp)) ?? beacon(0) } : result)
    try {
      await l1.rpc('anvil_setCode', BEACON_ROOTS, CODE)
      const mine = async (time: number, root: number): Promise<void> => {
        roots.set(time, beacon(root))
        await l1.rpc('anvil_setStorageAt', BEACON_ROOTS, numberToHex(time % KEPT, { size: 32 }), padHex(numberToHex(time), { size: 32 }))
        await l1.rpc('anvil_setStorageAt', BEACON_ROOTS, numberToHex(time % KEPT + KEPT, { size: 32 }), beacon(root))
        await l1.mine(time)
      }
      for (const name of NAMES) await l1.add(operator(name).proposer, operator(name).sequencer, 384)
      await mine(epoch - 3 * EPOCH, 6)
      // two slots are missed
      for (const [time, root] of [[-2 * EPOCH, 3], [-2 * EPOCH + 36, 1], [-2 * EPOCH + 48, 2], [-EPOCH, 7], [0, 2]] as const) await mine(epoch + time, root)
      const room = await follow(l1, { rpc: tells.url })
      try {
        const cases = [
          ['two slots missed', 0, undefined, 1], ['all but the next epoch\'s first one', 1, 5, 2], ['all of them', 2, 8, 0], ['none', 3, 4, 2],
        ] as const
        for (const [what, after, root, chosen] of cases) {
          const start = epoch + after * EPOCH
          if (root !== undefined) await mine(start + 12, root)
          await room.reached()
          const elected = await l1.elected()
          expect(elected, `${what}, by the contract`).equal(operator(NAMES[chosen]!).proposer)
          expect(await room.answer(start + EPOCH - 12), what).deep.equal([elected])
        }
        expect((await room.figures()).mismatches).equal(0)
      } finally {
        await room.stop()
      }
    } finally {
      await tells.close()
      await l1.stop()
    }
  })
})

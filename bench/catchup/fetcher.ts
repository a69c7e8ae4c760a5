import { Chain } from '../../src/actors/chain/ingress.js'
import { systemClock, supervisor } from '../../src/actors/kernel/index.js'
import type { Message, Ref } from '../../src/actors/kernel/index.js'
import { NetworkHandle, network, networkConfig } from '../../src/actors/network/index.js'
import { Store } from '../../src/actors/store/ingress.js'
import { Validator } from '../../src/actors/validator/ingress.js'
import { GetCommitmentsByNumberRequestCodec } from '../../src/protocol/index.js'

const WITHIN = 30_000
const PAGE = 256

/** The driver alone, with nothing behind it: fetches pages and drops them. What no room can beat. */
export async function fetchAndDrop(
  addresses: readonly string[], { from, to, inFlight }: { readonly from: bigint; readonly to: bigint; readonly inFlight: number },
): Promise<number> {
  const needs = {
    validator: new Validator(nothing('validator')), chain: new Chain(nothing('chain')), store: new Store(nothing('store')), events: nothing<Message>('events'),
  }
  const tree = supervisor('bench')
  const driver = new NetworkHandle(tree.child('network', () => network(needs, networkConfig({ listen: [] })), { stopWithin: 20_000 }))
  await tree.start()
  try {
    const peers = await Promise.all(addresses.map(address => driver.dial(address, WITHIN)))
    // the driver learns who they are: then they may be asked like peers of this software
    while ((await driver.peers(WITHIN)).some(({ protocols }) => protocols.length === 0)) await new Promise(resolve => { setTimeout(resolve, 20) })
    let next = from
    let commitments = 0
    const lane = async (at: number): Promise<void> => {
      const peer = peers[at % peers.length]
      while (next <= to) {
        const start = next
        next += BigInt(PAGE)
        const request = GetCommitmentsByNumberRequestCodec.encode({ startBlockNumber: start, maxCount: PAGE })
        const { body } = await driver.request('commitments', request, { peer }, WITHIN)
        commitments += (body.length - 4) / 382
      }
    }
    const started = systemClock.monotonic()
    await Promise.all(Array.from({ length: inFlight }, (_, at) => lane(at)))
    return commitments * 1_000 / (systemClock.monotonic() - started)
  } finally {
    await tree.stop()
  }
}

/** Takes everything and keeps nothing. */
const nothing = <M extends Message>(path: string): Ref<M> => ({
  path,
  send: () => 'ok',
  offer: () => Promise.resolve('ok'),
  ask: () => Promise.reject(new Error(`${path} is not asked`)),
  onceTerminated: () => () => undefined,
})

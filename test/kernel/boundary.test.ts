import { expect } from 'chai'
import { boundary, fromWire, KernelError, TimeoutError, toWire } from '../../src/actors/kernel/index.js'
import type { Boundary, CallsOf, WireError } from '../../src/actors/kernel/index.js'
import { echoEvery } from '../../src/actors/kernel/testing/index.js'
import { rejection } from './support.js'

/** What a store in a thread is asked. */
interface Store {
  put(records: ReadonlyMap<bigint, Uint8Array>): Promise<void>
  range(from: bigint, max: number): Promise<readonly Uint8Array[]>
  readonly size: number
}

interface Crossings extends CallsOf<Store> { readonly failed: WireError }

const table = boundary<Crossings>({
  'put.args': { direction: 'in', sample: () => [new Map([[1n, new Uint8Array([1, 2])]])] },
  'put.result': { direction: 'out', sample: () => undefined },
  'range.args': { direction: 'in', sample: () => [2n ** 63n, 256] },
  'range.result': { direction: 'out', sample: () => [new Uint8Array(382).fill(7)] },
  failed: { direction: 'out', sample: () => toWire(new TimeoutError('range', 500)) },
})

describe('kernel: thread boundary', () => {
  it('K61 an entry too few, one too many, or of another type does not compile', () => {
    const { failed: _failed, ...rest } = table
    // @ts-expect-error `failed` is missing
    boundary<Crossings>(rest)
    // @ts-expect-error there is no `other`
    boundary<Crossings>({ ...table, other: { direction: 'in', sample: () => 1 } })
    // @ts-expect-error a number where bytes are due
    const wrong: Boundary<Crossings>['range.result'] = { direction: 'out', sample: () => [1] }
    expect(wrong.direction).equal('out')
  })

  it('K61 the sample of every entry comes back from a thread as it was sent', async () => {
    expect(await echoEvery(table)).deep.equal(Object.keys(table))
  })

  it('K61 what cannot cross, or not unchanged, is named', async () => {
    class Peer { constructor(readonly id: string) {} }
    const fn = echoEvery({ fn: { direction: 'in', sample: () => () => 1 } })
    expect(await rejection(fn)).include({ code: 'not_cloneable', value: 'fn' })
    const peer = echoEvery({ peer: { direction: 'in', sample: () => new Peer('a') } })
    expect(await rejection(peer)).include({ code: 'changed_by_crossing', value: 'peer' })
  })

  it('K62 an error crosses with name, message, code, value and causes', () => {
    const disk = Object.assign(new Error('disk full'), { code: 'ENOSPC', limit: 10n })
    const crossed = fromWire(structuredClone(toWire(new KernelError('not_stored', 'no', { height: 5n }, { cause: disk }))))
    expect(crossed).deep.include({ name: 'KernelError', message: 'no', code: 'not_stored', value: { height: 5n } })
    expect(crossed.cause).deep.include({ name: 'Error', message: 'disk full', code: 'ENOSPC', limit: 10n })
    expect(crossed.stack).include('boundary.test')
    expect(toWire('thrown text')).deep.equal({ name: 'Error', message: 'thrown text' })
    expect(toWire(new KernelError('x', 'y', () => 1))).include({ value: '() => 1' })
    expect(toWire({ code: 'E_X', message: 'm', value: 1, name: 'Odd' })).deep.equal({ name: 'Odd', code: 'E_X', message: 'm', value: 1 })
    const aggregate = fromWire(structuredClone(toWire(new AggregateError([disk, 'text', { code: 'E' }], 'all'))))
    expect(aggregate.errors?.map(({ message, code, limit }) => [message, code, limit])).deep.equal([
      ['disk full', 'ENOSPC', 10n], ['text', undefined, undefined], ['[object Object]', 'E', undefined],
    ])
    let nested = new AggregateError(Array.from({ length: 100 }, () => disk))
    for (let n = 0; n < 100; n++) nested = new AggregateError(Array.from({ length: 100 }, () => nested), '', { cause: nested })
    const size = (wire: WireError): number => 1 + [...wire.errors ?? [], ...wire.cause === undefined ? [] : [wire.cause]].reduce((sum, each) => sum + size(each), 0)
    expect(size(toWire(nested))).lessThan(1_000)
    const circular = new Error('a')
    circular.cause = circular
    expect(JSON.stringify(toWire(circular)).length).lessThan(100_000)
  })
})

import { expect } from 'chai'
import fc from 'fast-check'
import { defaultRpcLimits } from '../../src/operate/json-rpc.js'
import type { Caller } from '../../src/operate/json-rpc.js'
import { Operated, call } from './support.js'

const anybody = (): Caller => ({ ending: new AbortController().signal, refusal: () => undefined })

async function answered(operated: Operated, text: string, caller = anybody()): Promise<Record<string, unknown> & { readonly error?: { readonly code: number; readonly data?: object } }> {
  return JSON.parse(await operated.rpc.answer(text, caller) ?? 'null') as Record<string, unknown>
}

describe('operate/json-rpc', () => {
  it('fields by name and by place', async () => {
    const operated = new Operated()
    expect(await answered(operated, call('preconf_head'))).to.deep.equal({ jsonrpc: '2.0', id: 1, result: { blockNumber: '5', submissionWindowEnd: '6' } })
    await answered(operated, call('preconf_rewind', { to: '7' }))
    await answered(operated, call('preconf_rewind', [8]))
    expect(operated.rewound).to.deep.equal([7n, 8n])
  })

  it('each wrong request has the code of JSON-RPC, and the id it came with', async () => {
    const operated = new Operated()
    const cases: [string, number, unknown][] = [
      ['{', -32_700, null],
      ['5', -32_600, null],
      ['{}', -32_600, null],
      ['[]', -32_600, null],
      ['{"jsonrpc":"1.0","id":3,"method":"preconf_head"}', -32_600, 3],
      ['{"jsonrpc":"2.0","id":{},"method":"preconf_head"}', -32_600, null],
      ['{"jsonrpc":"2.0","id":"a","method":5}', -32_600, 'a'],
      ['{"jsonrpc":"2.0","id":"a","method":"preconf_head","params":5}', -32_600, 'a'],
      [call('preconf_nothing'), -32_601, 1],
      [call('toString'), -32_601, 1],
      [call('__proto__'), -32_601, 1],
      [call('preconf_rewind'), -32_602, 1],
      [call('preconf_rewind', { to: -1 }), -32_602, 1],
      [call('preconf_rewind', { to: 1, and: 2 }), -32_602, 1],
      [call('preconf_rewind', [1, 2]), -32_602, 1],
      [call('preconf_confirm', [1]), -32_000, 1],
    ]
    for (const [text, code, id] of cases) {
      const { error, id: named } = await answered(operated, text)
      expect([error?.code, named], text).to.deep.equal([code, id])
    }
    expect(operated.rewound).to.deep.equal([])
  })

  it('a notification is carried out and not answered', async () => {
    const operated = new Operated()
    expect(await operated.rpc.answer('{"jsonrpc":"2.0","method":"preconf_rewind","params":[3]}', anybody())).to.equal(undefined)
    expect(operated.rewound).to.deep.equal([3n])
  })

  it('a batch is bounded in its requests and in its answers', async () => {
    const operated = new Operated({}, { ...defaultRpcLimits, batch: 3, answer: 200 })
    const batch = (n: number): string => `[${Array.from({ length: n }, (_, at) => call('preconf_head', [], at)).join(',')}]`
    expect(await answered(operated, batch(4))).to.have.nested.property('error.code', -32_600)
    const three = await answered(operated, batch(3)) as unknown as { id: number; result?: object; error?: { data: { code: string } } }[]
    expect(three.map(({ id }) => id)).to.deep.equal([0, 1, 2])
    expect(three[0]).to.have.property('result')
    expect(three[2]).to.have.nested.property('error.data.code', 'answer_too_large')
  })

  it('what takes too long, or whose caller has gone, is answered and its work ended', async () => {
    let ended = false
    const sync: Operated['node']['sync'] = async ({ signal }) => new Promise(() => { signal.addEventListener('abort', () => { ended = true }, { once: true }) })
    expect(await answered(new Operated({ sync }, { ...defaultRpcLimits, ms: 1 }), call('preconf_sync'))).to.have.nested.property('error.data.code', 'timeout')
    expect(ended).to.equal(true)
    const gone = AbortSignal.abort()
    expect(await answered(new Operated({ sync }), call('preconf_sync'), { ...anybody(), ending: gone })).to.have.nested.property('error.data.code', 'timeout')
  })

  it('anything at all gets an answer or none, and never a rejection', async () => {
    const operated = new Operated()
    await fc.assert(fc.asyncProperty(fc.oneof(fc.string(), fc.json(), fc.jsonValue().map(params => call('preconf_rewind', params))), async text => {
      const answer = await operated.rpc.answer(text, anybody())
      if (answer !== undefined) JSON.parse(answer)
    }), { numRuns: 200 })
  })
})

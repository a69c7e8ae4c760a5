import { expect } from 'chai'
import fc from 'fast-check'
import { asText, errorToJson, int, toJson } from '../../src/operate/json.js'
import { RequestError, ServiceError } from '../../src/index.js'

describe('operate/json', () => {
  it('bytes are hex without prefix, bigints decimal strings, what is missing is left out', () => {
    expect(
      toJson({
        bytes: Uint8Array.of(0, 255),
        big: 1n << 70n,
        no: undefined,
        nothing: null,
        list: [1n, 'a', true],
        map: new Map([['k', 2n]]),
        set: new Set(['x']),
      }),
    ).to.deep.equal({
      bytes: '00ff',
      big: '1180591620717411303424',
      nothing: null,
      list: ['1180591620717411303424'.slice(0, 1), 'a', true],
      map: { k: '2' },
      set: ['x'],
    })
  })

  it('what JSON cannot say is null', () => {
    expect([NaN, Infinity, undefined, () => 1, Symbol('s')].map(toJson)).to.deep.equal([null, null, null, null, null])
  })

  it('any value comes out as something that JSON.stringify takes, and comes back', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withMap: true, withSet: true, withTypedArray: true, maxDepth: 4 }), value => {
        const json = toJson(value)
        expect(JSON.parse(JSON.stringify(json))).to.deep.equal(JSON.parse(JSON.stringify(json)))
      }),
    )
  })

  it('an error is its code, message, value and limit', () => {
    expect(errorToJson(new RequestError('max_count_exceeded', 'too many', { value: 300, limit: 256 })))
      .to.deep.equal({ code: 'max_count_exceeded', message: 'too many', value: '300', limit: '256' })
    expect(errorToJson(new ServiceError('window_over', 'over', 5n, 6n))).to.deep.equal({
      code: 'window_over',
      message: 'over',
      value: '5',
      limit: '6',
    })
    expect(errorToJson(new Error('plain'))).to.deep.equal({ code: 'error', message: 'plain' })
    expect(errorToJson('thrown text')).to.deep.equal({ code: 'error', message: 'thrown text' })
  })

  it('an error repeats only what is short, however large and deep what offended is', () => {
    let deep: unknown = []
    for (let level = 0; level < 100_000; level++) deep = [deep]
    expect(errorToJson(new ServiceError('bad_message', 'deep', deep))).to.deep.equal({ code: 'bad_message', message: 'deep' })
    expect(errorToJson(new ServiceError('bad_message', 'long', 'x'.repeat(1_000_000)))).to.have.property('value').with.length(200)
    expect(errorToJson(new ServiceError('bad_message', 'bytes', new Uint8Array(1_000_000)))).not.to.have.property('value')
    expect(errorToJson(new ServiceError('bad_message', 'hash', new Uint8Array(32).fill(1)))).to.have.property(
      'value',
      '01'.repeat(32),
    )
  })

  it('int and asText', () => {
    expect([int(5), int(5n), asText('a'), asText(5), asText(undefined)]).to.deep.equal(['5', '5', 'a', '5', 'null'])
  })
})

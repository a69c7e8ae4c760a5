import { expect } from 'chai'
import fc from 'fast-check'
import { commandOf, idOf, parseLine } from '../../src/cli/stdio-line.js'
import { CommandError, byName, bytes, count, flag, heightOrCursor, integer, optional, text, valuesOf } from '../../src/operate/parameters.js'
import type { Checker } from '../../src/operate/parameters.js'

function codeOf(work: () => unknown): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    expect(error).to.be.instanceOf(CommandError)
    return (error as CommandError).code
  }
}

const read = <T>(checker: Checker<T>, x: unknown): T => valuesOf({ x: checker }, { x }).x

describe('operate/parameters', () => {
  it('integers: decimal strings and exact numbers', () => {
    expect([read(integer, '5'), read(integer, 5), read(integer, '0')]).to.deep.equal([5n, 5n, 0n])
    expect(read(integer, '115792089237316195423570985008687907853269984665640564039457584007913129639935')).to.equal((1n << 256n) - 1n)
    for (const n of [-1, 1.5, 2 ** 53, '', '-1', '0x10', ' 5', '1e3', '9'.repeat(79), true, [], {}])
      expect(codeOf(() => read(integer, n)), String(n)).to.equal('bad_field')
    for (const given of [{}, { x: null }, { x: undefined }]) expect(codeOf(() => valuesOf({ x: integer }, given))).to.equal('missing_field')
  })

  it('bytes: hex with and without 0x, upper and lower case', () => {
    expect(read(bytes, '0xAbcd')).to.deep.equal(Uint8Array.of(0xab, 0xcd))
    expect(read(bytes, '')).to.deep.equal(new Uint8Array(0))
    for (const b of ['0', 'zz', 5, ['00'], {}]) expect(codeOf(() => read(bytes, b)), String(b)).to.equal('bad_field')
    expect(codeOf(() => valuesOf({ b: bytes }, {}))).to.equal('missing_field')
  })

  it('what is inherited is no field, and what the method does not take is refused', () => {
    expect(codeOf(() => valuesOf({ constructor: text }, {}))).to.equal('missing_field')
    expect(codeOf(() => valuesOf({ peer: text }, parseLine('{"__proto__":{"peer":"x"}}')))).to.equal('bad_field')
    expect(codeOf(() => valuesOf({ peer: text }, { peer: 'x', per: 'y' }))).to.equal('bad_field')
    expect(codeOf(() => valuesOf({}, { toString: 1 }))).to.equal('bad_field')
  })

  it('text, flags, counts, heights and cursors', () => {
    expect([read(optional(text), 'x'), read(optional(text), null), read(optional(flag), undefined), read(flag, true)]).to.deep.equal(['x', undefined, undefined, true])
    expect([codeOf(() => read(optional(text), 5)), codeOf(() => read(optional(flag), 'true'))]).to.deep.equal(['bad_field', 'bad_field'])
    expect([read(count, '300'), codeOf(() => read(count, '9007199254740993'))]).to.deep.equal([300, 'bad_field'])
    expect([read(heightOrCursor, '5'), read(heightOrCursor, 5), read(heightOrCursor, '5:ab')]).to.deep.equal([5n, 5n, '5:ab'])
  })

  it('values by place get their names, in the order of the table', () => {
    const parameters = { blockNumber: integer, hash: optional(bytes) }
    expect(valuesOf(parameters, byName(parameters, ['7', '00']))).to.deep.equal({ blockNumber: 7n, hash: Uint8Array.of(0) })
    expect(valuesOf(parameters, byName(parameters, [7]))).to.deep.equal({ blockNumber: 7n, hash: undefined })
    expect(codeOf(() => byName(parameters, [1, 2, 3]))).to.equal('bad_field')
  })

  it('a line is an object that names its command', () => {
    for (const line of ['', ' ', 'x', '{', '{"cmd":}', '\u0000']) expect(codeOf(() => parseLine(line)), line).to.equal('bad_json')
    for (const line of ['5', 'null', '[]', '"text"', 'true']) expect(codeOf(() => parseLine(line)), line).to.equal('bad_command')
    for (const line of ['{}', '{"cmd":5}', '{"cmd":null}', '{"CMD":"head"}'])
      expect(codeOf(() => commandOf(parseLine(line))), line).to.equal('bad_command')
    expect(commandOf(parseLine('{"cmd":"head"}\r'))).to.deep.equal({ cmd: 'head', fields: {} })
  })

  it('an id comes back as it came, unless it is large or too deep', () => {
    for (const id of [1, 'a', null, { a: [1] }, [true]]) expect(idOf(parseLine(JSON.stringify({ id })))).to.deep.equal(id)
    expect(idOf({})).to.equal(null)
    expect(codeOf(() => idOf({ id: 'x'.repeat(1_001) }))).to.equal('bad_command')
    expect(codeOf(() => idOf(parseLine(`{"id":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)))).to.equal('bad_command')
  })

  it('any fields give a value or a typed error', () => {
    const checkers: readonly Checker<unknown>[] = [bytes, text, integer, flag, count, heightOrCursor, optional(count)]
    fc.assert(fc.property(fc.jsonValue(), fc.nat(checkers.length - 1), (x, at) => { codeOf(() => read(checkers[at]!, x)) }))
    fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), given => { codeOf(() => valuesOf({ x: integer, y: optional(text) }, given)) }))
  })
})

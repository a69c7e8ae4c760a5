import { expect } from 'chai'
import fc from 'fast-check'
import { CommandError, Fields, commandOf, idOf, parseLine } from '../../src/cli/stdio-fields.js'

function codeOf(work: () => unknown): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    expect(error).to.be.instanceOf(CommandError)
    return (error as CommandError).code
  }
}

describe('cli/stdio-fields', () => {
  const fields = (object: Record<string, unknown>): Fields => new Fields(object)

  it('integers: decimal strings and exact numbers', () => {
    expect([fields({ n: '5' }).integer('n'), fields({ n: 5 }).integer('n'), fields({ n: '0' }).integer('n')]).to.deep.equal([
      5n,
      5n,
      0n,
    ])
    expect(fields({ n: '115792089237316195423570985008687907853269984665640564039457584007913129639935' }).integer('n')).to.equal(
      (1n << 256n) - 1n,
    )
    for (const n of [-1, 1.5, 2 ** 53, '', '-1', '0x10', ' 5', '1e3', '9'.repeat(79), true, [], {}])
      expect(
        codeOf(() => fields({ n }).integer('n')),
        String(n),
      ).to.equal('bad_field')
    for (const object of [{}, { n: null }, { n: undefined }])
      expect(codeOf(() => fields(object).integer('n'))).to.equal('missing_field')
  })

  it('bytes: hex with and without 0x, upper and lower case', () => {
    expect(fields({ b: '0xAbcd' }).bytes('b')).to.deep.equal(Uint8Array.of(0xab, 0xcd))
    expect(fields({ b: '' }).bytes('b')).to.deep.equal(new Uint8Array(0))
    for (const b of ['0', 'zz', 5, ['00'], {}]) expect(codeOf(() => fields({ b }).bytes('b')), String(b)).to.equal('bad_field')
    expect(codeOf(() => fields({}).bytes('b'))).to.equal('missing_field')
  })

  it('what is inherited is no field', () => {
    expect(codeOf(() => fields({}).text('constructor'))).to.equal('missing_field')
    expect(codeOf(() => fields(parseLine('{"__proto__":{"peer":"x"}}')).text('peer'))).to.equal('missing_field')
  })

  it('text, flags, counts, heights and cursors', () => {
    expect(fields({ t: 'x' }).optionalText('t')).to.equal('x')
    expect([
      fields({}).optionalText('t'),
      fields({ t: null }).optionalText('t'),
      fields({}).optionalFlag('f'),
      fields({ f: true }).optionalFlag('f'),
    ]).to.deep.equal([undefined, undefined, false, true])
    expect([
      codeOf(() => fields({ t: 5 }).optionalText('t')),
      codeOf(() => fields({ f: 'true' }).optionalFlag('f')),
    ]).to.deep.equal(['bad_field', 'bad_field'])
    expect([fields({ c: '300' }).count('c'), codeOf(() => fields({ c: '9007199254740993' }).count('c'))]).to.deep.equal([
      300,
      'bad_field',
    ])
    expect([
      fields({ p: '5' }).heightOrCursor('p'),
      fields({ p: 5 }).heightOrCursor('p'),
      fields({ p: '5:ab' }).heightOrCursor('p'),
    ]).to.deep.equal([5n, 5n, '5:ab'])
  })

  it('a line is an object that names its command', () => {
    for (const line of ['', ' ', 'x', '{', '{"cmd":}', '\u0000']) expect(codeOf(() => parseLine(line)), line).to.equal('bad_json')
    for (const line of ['5', 'null', '[]', '"text"', 'true']) expect(codeOf(() => parseLine(line)), line).to.equal('bad_command')
    for (const line of ['{}', '{"cmd":5}', '{"cmd":null}', '{"CMD":"head"}'])
      expect(
        codeOf(() => commandOf(parseLine(line))),
        line,
      ).to.equal('bad_command')
    expect(commandOf(parseLine('{"cmd":"head"}\r')).cmd).to.equal('head')
  })

  it('an id comes back as it came, unless it is large or too deep', () => {
    for (const id of [1, 'a', null, { a: [1] }, [true]]) expect(idOf(parseLine(JSON.stringify({ id })))).to.deep.equal(id)
    expect(idOf({})).to.equal(null)
    expect(codeOf(() => idOf({ id: 'x'.repeat(1_001) }))).to.equal('bad_command')
    expect(codeOf(() => idOf(parseLine(`{"id":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)))).to.equal('bad_command')
  })

  it('any fields give a value or a typed error', () => {
    const readers: ((from: Fields) => unknown)[] = [
      from => from.bytes('x'),
      from => from.text('x'),
      from => from.integer('x'),
      from => from.optionalFlag('x'),
      from => from.count('x'),
      from => from.heightOrCursor('x'),
    ]
    fc.assert(fc.property(fc.jsonValue(), fc.nat(readers.length - 1), (x, at) => { codeOf(() => readers[at]!(fields({ x }))) }))
  })
})

import { expect } from 'chai'
import { PROTOCOL_ERROR_CODES, ProtocolError } from '../../src/protocol/index.js'

describe('protocol/errors', () => {
  it('carries code, value and limit', () => {
    const error = new ProtocolError('frame_too_long', 'a frame of 513 bytes', { value: 513, limit: 512, field: 'body' })
    expect(error).to.be.instanceOf(Error)
    expect(error).to.include({ name: 'ProtocolError', code: 'frame_too_long', value: 513, limit: 512, field: 'body' })
    expect(error.message).to.equal('a frame of 513 bytes')
  })

  it('comes through a structured clone and through JSON as the same error', () => {
    for (const code of PROTOCOL_ERROR_CODES) {
      const error = new ProtocolError(code, 'why', { value: 513, limit: 512, field: 'a.b' })
      for (const data of [structuredClone(error.toJSON()), JSON.parse(JSON.stringify(error)) as unknown]) {
        const again = ProtocolError.fromJSON(data)
        expect(again).to.be.instanceOf(ProtocolError)
        expect(again).to.include({ code, message: 'why', value: 513, limit: 512, field: 'a.b' })
      }
    }
  })

  it('makes plain values of bigint and of numbers that JSON cannot hold', () => {
    expect(new ProtocolError('invalid_value', '', { value: 1n << 256n }).toJSON().value).to.equal((1n << 256n).toString())
    expect(new ProtocolError('invalid_value', '', { value: NaN }).toJSON().value).to.equal('NaN')
  })

  it('keeps no object or bytes alive', () => {
    expect(new ProtocolError('invalid_value', '', { value: new Uint8Array(1_000_000) }).value).to.equal('1000000 bytes')
    expect(new ProtocolError('invalid_value', '', { value: { a: 1 } }).value).to.equal('object')
    expect(new ProtocolError('invalid_value', '', { value: [1, 2] }).value).to.equal('an array of 2')
    expect(new ProtocolError('invalid_value', '', { value: null }).value).to.equal('null')
  })

  it('takes nothing else for its plain form', () => {
    const unknown = { name: 'ProtocolError', code: 'no_such_code', message: '' }
    for (const data of [undefined, null, 7, 'x', {}, unknown, new Error('x')]) {
      expect(ProtocolError.fromJSON(data)).to.equal(undefined)
    }
  })
})

import { expect } from 'chai'
import { fromHex, toHex } from '../../src/protocol/index.js'
import { refusal } from './fixtures.js'

describe('protocol/hex', () => {
  it('writes lower case without prefix, reads either case with or without 0x', () => {
    expect(toHex(new Uint8Array([0, 1, 0xab, 0xff]))).to.equal('0001abff')
    for (const text of ['0001abff', '0x0001abff', '0001ABFF']) {
      expect(fromHex(text)).to.deep.equal(new Uint8Array([0, 1, 0xab, 0xff]))
    }
    expect(fromHex('')).to.deep.equal(new Uint8Array(0))
    expect(fromHex('0x')).to.deep.equal(new Uint8Array(0))
  })

  it('refuses anything else with invalid_hex', () => {
    for (const text of ['0', '0x0', 'gg', '0x0g', ' 00', '00 ', '0X00', '+1', '٠٠', undefined, null, 7, {}]) {
      refusal(() => fromHex(text as string), 'invalid_hex')
    }
  })

  it('refuses another length with invalid_length', () => {
    expect(refusal(() => fromHex('0001', 3), 'invalid_length')).to.include({ value: 2, limit: 3 })
  })

  it('does not repeat a long text in its message', () => {
    expect(refusal(() => fromHex('z'.repeat(1_000_000))).message.length).to.be.below(200)
  })
})

import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { forecast } from '../../src/actors/service/forecast.js'
import { Validator } from '../../src/actors/validator/ingress.js'
import type { ValidatorMessage } from '../../src/actors/validator/ingress.js'

const ALICE = { address: new Uint8Array(20).fill(1) }
const BOB = { address: new Uint8Array(20).fill(2), submissionWindowEnd: 5n }

describe('service: the forecast', () => {
  it('tells the validator who signs next, at start and with every slot, and outlives a schedule that fails', async () => {
    const { clock, probe, settle, spawn } = testKit()
    const messages = probe<ValidatorMessage>()
    const asked: bigint[] = []
    const answers = [async () => [ALICE], () => { throw new Error('no answer') }, () => [ALICE, BOB]]
    await spawn(forecast({ upcoming: now => { asked.push(now); return answers[asked.length - 1]!() }, validator: new Validator(messages as never) }))
    await settle()
    messages.expect('expectSigners', { signers: [ALICE] })
    clock.advance(seconds(12)); await settle()
    messages.expectNone('expectSigners')
    clock.advance(seconds(12)); await settle()
    messages.expect('expectSigners', { signers: [ALICE, BOB] })
    expect(asked.map(now => now - asked[0]!)).to.deep.equal([0n, 12n, 24n])
  })
})

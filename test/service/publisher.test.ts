import { expect } from 'chai'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { Publisher, publisher } from '../../src/actors/service/publisher.js'
import type { PublisherEvent } from '../../src/actors/service/publisher.js'
import { ServiceError } from '../../src/actors/service/errors.js'
import { Validator } from '../../src/actors/validator/ingress.js'
import type { ValidatorMessage } from '../../src/actors/validator/ingress.js'
import type { Topic } from '../../src/actors/network/ingress.js'

const HASH = new Uint8Array(32).fill(5)
const accepted = { verdict: 'accept', reason: 'accepted', penalty: false, hash: HASH } as const

/** This test needs no network, no thread and no real time: the mailboxes at the publisher's edge are mocked. */
async function rig() {
  const kit = testKit()
  const validator = kit.probe<ValidatorMessage>('validator')
  const events = kit.probe<PublisherEvent>('events')
  const sent: { topic: Topic; bytes: Uint8Array }[] = []
  const network = {
    publish: async (topic: Topic, bytes: Uint8Array) => {
      sent.push({ topic, bytes })
      return { recipients: 3 }
    },
  }
  const ref = await kit.spawn(publisher({ validator: new Validator(validator), network, events }))
  return { ...kit, validator, events, sent, ref, publisher: new Publisher(ref) }
}

const ticketOf = (message: ValidatorMessage): number => {
  if ((message.type === 'commitment' || message.type === 'txList') && message.origin.kind === 'own') return message.origin.ticket
  throw new Error('not our own message')
}

describe('publishing', () => {
  it('a commitment is durable before it leaves', async () => {
    const { publisher, validator, ref, sent, settle, events, stop } = await rig()
    const publishing = publisher.publish('commitments', new Uint8Array(382), 30_000)
    await settle()
    const ticket = ticketOf(validator.expect('commitment'))
    void ref.send({ type: 'judged', ticket, results: [accepted] })
    await settle()
    expect(sent).to.have.length(0)
    void ref.send({ type: 'durable', ticket })
    await settle()
    expect(sent.map(({ topic }) => topic)).to.deep.equal(['commitments'])
    expect(await publishing).to.deep.equal({ hash: HASH, recipients: 3, stored: true, known: false })
    events.expect('published', { topic: 'commitments', recipients: 3 })
    await stop()
  })

  it('a txlist leaves as soon as it is judged', async () => {
    const { publisher, validator, ref, sent, settle, stop } = await rig()
    const publishing = publisher.publish('txLists', new Uint8Array(40), 30_000)
    await settle()
    void ref.send({ type: 'judged', ticket: ticketOf(validator.expect('txList')), results: [accepted] })
    await settle()
    expect(sent).to.have.length(1)
    expect((await publishing).stored).to.equal(false)
    await stop()
  })

  it('what our own rules refuse does not leave, and the caller learns why', async () => {
    const { publisher, validator, ref, sent, settle, stop } = await rig()
    const publishing = publisher.publish('commitments', new Uint8Array(382), 30_000).catch((error: unknown) => error)
    await settle()
    const ticket = ticketOf(validator.expect('commitment'))
    void ref.send({ type: 'judged', ticket, results: [{ ...accepted, verdict: 'ignore', reason: 'equivocation' }] })
    await settle()
    const error = await publishing as ServiceError
    expect(error).to.be.instanceOf(ServiceError)
    expect([error.code, error.value]).to.deep.equal(['refused', 'equivocation'])
    expect(sent).to.have.length(0)
    await stop()
  })

  it('says `overloaded` when the validator takes nothing, and goes on with what is under way', async () => {
    const { publisher, validator, ref, settle, stop } = await rig()
    const first = publisher.publish('txLists', new Uint8Array(40), 30_000)
    await settle()
    const ticket = ticketOf(validator.expect('txList'))
    validator.feedback = 'rejected'
    const error = await publisher.publish('commitments', new Uint8Array(382), 30_000).catch((error: unknown) => error)
    expect(error).to.include({ code: 'overloaded' })
    void ref.send({ type: 'judged', ticket, results: [accepted] })
    await settle()
    expect((await first).recipients).to.equal(3)
    await stop()
  })

  it('a commitment that is not durable in time does not leave, and the caller learns it', async () => {
    const { publisher, validator, ref, sent, settle, clock, stop } = await rig()
    const publishing = publisher.publish('commitments', new Uint8Array(382), 30_000).catch((error: unknown) => error)
    await settle()
    const ticket = ticketOf(validator.expect('commitment'))
    void ref.send({ type: 'judged', ticket, results: [accepted] })
    await settle()
    clock.advance(20_000)
    await settle()
    expect(await publishing).to.include({ code: 'not_stored', value: 20_000 })
    void ref.send({ type: 'durable', ticket })
    await settle()
    expect(sent).to.have.length(0)
    await stop()
  })

  it('gives up at the caller\'s deadline and forgets the message', async () => {
    const { publisher, settle, clock, stop } = await rig()
    const publishing = publisher.publish('commitments', new Uint8Array(382), 1_000).catch((error: unknown) => error)
    await settle()
    clock.advance(1_001)
    await settle()
    expect((await publishing as { code: string }).code).to.equal('timeout')
    await stop()
  })
})

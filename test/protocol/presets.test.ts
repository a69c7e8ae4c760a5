import { expect } from 'chai'
import { checkScorePreset, decayOver, FORWARD_WITHIN_MS, gossipParams, konaScore, scorePreset, specScore } from '../../src/protocol/index.js'
import { refusal } from './fixtures.js'

describe('protocol/presets', () => {
  it('has the gossip parameters of SPEC §5', () => {
    expect(gossipParams).to.deep.equal({
      D: 8, Dlo: 6, Dhi: 12, Dlazy: 6, gossipFactor: 0.25, heartbeatMs: 500, fanoutTtlMs: 60_000, historyLength: 12,
      historyGossip: 3,
      seenTtlMs: 120_000, floodPublish: false, peerExchange: false,
    })
    expect(FORWARD_WITHIN_MS).to.equal(6_000)
  })

  it('has the spec preset', () => {
    expect(specScore.thresholds).to.deep.equal({ gossip: -1, publish: -2, graylist: -5, acceptPX: 0, opportunisticGraft: 0.5 })
    expect(specScore.topic.timeInMesh).to.deep.equal({ weight: 0, quantumMs: 1_000, cap: 3_600 })
    expect(specScore.topic.firstDeliveries).to.deep.equal({ weight: 0.5, decay: 0.999, cap: 20 })
    expect(specScore.topic.invalidDeliveries).to.deep.equal({ weight: -2, decay: 0.99 })
    expect(specScore).to.include({
      topicScoreCap: 3_600, appSpecificWeight: 1, decayIntervalMs: 10_000, decayToZero: 0.1, retainScoreMs: 3_600_000,
    })
    const { meshDeliveries, meshFailure, weight } = specScore.topic
    expect([weight, meshDeliveries.weight, meshFailure.weight, specScore.ipColocation.weight, specScore.behaviour.weight])
      .to.deep.equal([1, 0, 0, 0, 0])
  })

  it('has the kona preset, by slot', () => {
    const kona = konaScore(2)
    expect(kona.thresholds).to.deep.equal({ gossip: -10, publish: -40, graylist: -40, acceptPX: 20, opportunisticGraft: 0.05 })
    expect(kona.topic.timeInMesh).to.deep.equal({ weight: 10 / 1_800, quantumMs: 2_000, cap: 1_800 })
    expect(kona.topic.firstDeliveries).to.include({ weight: 1, cap: 23 })
    expect(kona.topic.firstDeliveries.decay).to.be.closeTo(0.01 ** (1 / 120), 1e-15)
    expect(kona.topic.meshDeliveries).to.include({ weight: -0.7, cap: 30, threshold: 3, windowMs: 2_000, activationMs: 48_000 })
    expect(kona.topic.invalidDeliveries.weight).to.equal(-140.4475)
    expect(kona).to.include({ topicScoreCap: 34, decayIntervalMs: 2_000, decayToZero: 0.01, retainScoreMs: 1_200_000 })
    expect(kona.ipColocation).to.deep.equal({ weight: -35, threshold: 10 })
    expect(kona.behaviour).to.include({ weight: -16, threshold: 6 })
    expect(konaScore(12).topic.timeInMesh.cap).to.equal(300)
    for (const seconds of [0, -1, 0.5, NaN, Infinity, '2']) refusal(() => konaScore(seconds as number), 'invalid_value')
  })

  it('decays to a hundredth over its intervals', () => {
    for (const n of [1, 30, 120, 300]) expect(decayOver(n) ** n).to.be.closeTo(0.01, 1e-12)
  })

  it('finds a preset by name', () => {
    expect(scorePreset()).to.equal(specScore)
    expect(scorePreset('spec')).to.equal(specScore)
    expect(scorePreset('kona', { slotSeconds: 12 })).to.deep.equal(konaScore(12))
    expect(scorePreset('kona')).to.deep.equal(konaScore(2))
  })

  it('replaces single fields of a preset, and leaves the preset as it is', () => {
    const changed = scorePreset('spec', { thresholds: { gossip: -1.5 }, topic: { invalidDeliveries: { weight: -5 } }, retainScoreMs: 1 })
    expect(changed).to.deep.equal({
      ...specScore, retainScoreMs: 1, thresholds: { ...specScore.thresholds, gossip: -1.5 },
      topic: { ...specScore.topic, invalidDeliveries: { weight: -5, decay: 0.99 } },
    })
    expect(specScore.thresholds.gossip).to.equal(-1)
    expect(scorePreset('kona', { slotSeconds: 12, behaviour: { threshold: 7 } }).behaviour.threshold).to.equal(7)
    expect(scorePreset('spec', { topicScoreCap: undefined as never })).to.deep.equal(specScore)
  })

  it('both presets can be counted by', () => { for (const preset of [specScore, konaScore(1), konaScore(12)]) checkScorePreset(preset) })

  it('refuses, by its name, a field that there is not and a value that cannot be', () => {
    const cases: ReadonlyArray<[string, object]> = [
      ['thresholds.gossip', { thresholds: { gossip: 0.1 } }],
      ['thresholds.publish', { thresholds: { publish: -0.5 } }],
      ['thresholds.graylist', { thresholds: { graylist: -1.5 } }],
      ['thresholds.acceptPX', { thresholds: { acceptPX: -1 } }],
      ['thresholds.opportunisticGraft', { thresholds: { opportunisticGraft: -1 } }],
      ['topicScoreCap', { topicScoreCap: -1 }],
      ['appSpecificWeight', { appSpecificWeight: -1 }],
      ['decayIntervalMs', { decayIntervalMs: 999 }],
      ['decayToZero', { decayToZero: 0 }],
      ['retainScoreMs', { retainScoreMs: NaN }],
      ['ipColocation.weight', { ipColocation: { weight: 1 } }],
      ['ipColocation.threshold', { ipColocation: { threshold: 0 } }],
      ['behaviour.weight', { behaviour: { weight: 1 } }],
      ['behaviour.decay', { behaviour: { decay: 1 } }],
      ['topic.weight', { topic: { weight: -1 } }],
      ['topic.timeInMesh.weight', { topic: { timeInMesh: { weight: -1 } } }],
      ['topic.timeInMesh.quantumMs', { topic: { timeInMesh: { quantumMs: 0 } } }],
      ['topic.firstDeliveries.decay', { topic: { firstDeliveries: { decay: 1 } } }],
      ['topic.firstDeliveries.cap', { topic: { firstDeliveries: { cap: 0 } } }],
      ['topic.meshDeliveries.weight', { topic: { meshDeliveries: { weight: 0.1 } } }],
      ['topic.meshDeliveries.threshold', { topic: { meshDeliveries: { weight: -1, threshold: 0 } } }],
      ['topic.meshDeliveries.activationMs', { topic: { meshDeliveries: { weight: -1, threshold: 1, activationMs: 1 } } }],
      ['topic.meshFailure.weight', { topic: { meshFailure: { weight: 1 } } }],
      ['topic.invalidDeliveries.weight', { topic: { invalidDeliveries: { weight: 1 } } }],
      ['topic.invalidDeliveries.decay', { topic: { invalidDeliveries: { decay: 0 } } }],
      ['thresholds', { thresholds: 3 }],
      ['thresholds.gossip', { thresholds: { gossip: '-1' } }],
      ['topics', { topics: {} }],
      ['topic.invalid', { topic: { invalid: 1 } }],
      ['name', { name: 'mine' }],
    ]
    for (const [field, overrides] of cases) expect(refusal(() => scorePreset('spec', overrides), 'invalid_value').field, field).to.equal(field)
  })
})

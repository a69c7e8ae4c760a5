import { expect } from 'chai'
import { DEFAULT_CHAIN_ID, isLegacyTopic, LEGACY_TOPIC_NAMES, protocolsOf, topicsOf } from '../../src/protocol/index.js'
import { refusal } from './fixtures.js'

describe('protocol/topics', () => {
  it('names topics and protocols as SPEC §2 does', () => {
    expect(topicsOf(DEFAULT_CHAIN_ID)).to.deep.equal({
      commitments: '/taiko/167000/0/preconfirmationCommitments',
      txLists: '/taiko/167000/0/rawTxLists',
    })
    expect(protocolsOf(1n)).to.deep.equal({
      head: '/taiko/1/preconf/1/get_head',
      commitments: '/taiko/1/preconf/1/get_commitments_by_number',
      txList: '/taiko/1/preconf/1/get_raw_txlist',
    })
  })

  it('refuses what is not a chain id', () => {
    for (const id of [-1n, 1n << 64n, 167000, '167000', undefined]) {
      refusal(() => topicsOf(id as bigint), 'invalid_chain_id')
      refusal(() => protocolsOf(id as bigint), 'invalid_chain_id')
    }
  })

  it('knows the legacy names, in any topic', () => {
    for (const name of LEGACY_TOPIC_NAMES) {
      expect(isLegacyTopic(name)).to.equal(true)
      expect(isLegacyTopic(`/taiko/167000/0/${name}`)).to.equal(true)
    }
    const { commitments, txLists } = topicsOf(167000n)
    for (const topic of [commitments, txLists]) expect(isLegacyTopic(topic)).to.equal(false)
  })
})

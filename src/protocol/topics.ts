import { describe, ProtocolError } from './errors.js'

/** Taiko mainnet (SPEC §2). */
export const DEFAULT_CHAIN_ID = 167_000n

export interface Topics {
  readonly commitments: string
  readonly txLists: string
}

export interface Protocols {
  readonly head: string
  readonly commitments: string
  readonly txList: string
}

/** The two gossip topics of a chain (SPEC §2). @throws ProtocolError `invalid_chain_id` */
export function topicsOf(chainId: bigint): Topics {
  const chain = checkChainId(chainId)
  return {
    commitments: `/taiko/${chain}/0/preconfirmationCommitments`,
    txLists: `/taiko/${chain}/0/rawTxLists`,
  }
}

/** The three request protocols of a chain (SPEC §2). @throws ProtocolError `invalid_chain_id` */
export function protocolsOf(chainId: bigint): Protocols {
  const chain = checkChainId(chainId)
  return {
    head: `/taiko/${chain}/preconf/1/get_head`,
    commitments: `/taiko/${chain}/preconf/1/get_commitments_by_number`,
    txList: `/taiko/${chain}/preconf/1/get_raw_txlist`,
  }
}

/** Names of topics of an older protocol: never published to (SPEC §2). */
export const LEGACY_TOPIC_NAMES = [
  'preconfBlocks', 'requestPreconfBlocks', 'responsePreconfBlocks', 'requestEndOfSequencingPreconfBlocks',
] as const

/** Whether a topic ends in one of the legacy names. */
export function isLegacyTopic(topic: string): boolean {
  const name = topic.slice(topic.lastIndexOf('/') + 1)
  return (LEGACY_TOPIC_NAMES as readonly string[]).includes(name)
}

function checkChainId(chainId: bigint): bigint {
  if (typeof chainId !== 'bigint' || chainId < 0n || chainId >= 1n << 64n) {
    const message = `a chain id is a bigint from 0 to 2^64 - 1, got ${describe(chainId)}`
    throw new ProtocolError('invalid_chain_id', message, { value: chainId })
  }
  return chainId
}

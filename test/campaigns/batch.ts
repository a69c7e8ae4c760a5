import { runDifferential } from '../protocol/secp256k1/differential.js'
import { Tally } from './campaign.js'
import type { Campaign } from './campaign.js'

/** Signatures checked together against recovery: see test/protocol/secp256k1/differential.ts. */
export const campaign: Campaign<'signatures' | 'tables' | 'signers'> = {
  about: 'batch verification against two recovery libraries: every corruption, every batch size, tables evicted, one instance',
  options: {
    signatures: { about: 'signatures', default: 200_000 },
    tables: { about: 'tables of signers', default: 6 },
    signers: { about: 'signers', default: 12 },
  },
  async run({ seed, options, log }) {
    const tally = new Tally()
    await runDifferential({ seed, ...options, log, check: (right, what) => { tally.check(right, what) } })
    return tally
  },
}

import { expect } from 'chai'
import { Outlook } from '../../src/actors/service/index.js'

const US = new Uint8Array(20).fill(1)
const OTHER = new Uint8Array(20).fill(2)
type Needs = ConstructorParameters<typeof Outlook>[0]

const outlook = (upcoming: readonly { address: Uint8Array; submissionWindowEnd?: bigint }[], { signer }: { readonly signer: Uint8Array | undefined } = { signer: US }): Outlook => new Outlook({
  clock: { now: () => 1_000_500 }, resolver: Object.assign(() => 'unknown' as const, { upcoming: () => upcoming }), signer, gate: undefined, schedule: undefined,
} as unknown as Needs)

describe('service/outlook', () => {
  it('our window counts where it is ours, ends within the time, and is not over', async () => {
    const end = async (...upcoming: Parameters<typeof outlook>[0][number][]): Promise<bigint | undefined> => outlook(upcoming).ourWindowWithin(60)
    expect(await end({ address: US, submissionWindowEnd: 1_060n })).to.equal(1_060n)
    expect(await end({ address: OTHER, submissionWindowEnd: 1_010n }, { address: US, submissionWindowEnd: 1_000n })).to.equal(1_000n)
    expect(await end({ address: US, submissionWindowEnd: 1_061n })).to.equal(undefined)
    expect(await end({ address: US, submissionWindowEnd: 999n })).to.equal(undefined)
    expect(await end({ address: OTHER, submissionWindowEnd: 1_010n })).to.equal(undefined)
    // a schedule that names no ends: every window may be ours, and none is near
    expect(await end({ address: US })).to.equal(undefined)
  })

  it('without a signer there is no window of ours', async () => {
    expect(await outlook([{ address: US, submissionWindowEnd: 1_010n }], { signer: undefined }).ourWindowWithin(60)).to.equal(undefined)
  })
})

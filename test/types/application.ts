/** An application's own parts, written from the public entries' types alone. `exported.test.ts` compiles it; the rest of the build does too. */
import type {
  AddressedSigner, ChainRules, Logger, P2pConfig, PeerKey, PreconfCommitment, ReputationBackend, ReputationFinding, RuleAnswer, RuleInput,
  ScheduleAnswer, ScheduleResolver, UpcomingSigner,
} from '../../src/index.js'

class OwnReputation implements ReputationBackend {
  readonly name = 'own'
  readonly #bans = new Map<string, string>()
  keyOf(peer: PeerKey, publicKey: Uint8Array | undefined): string { return publicKey === undefined ? peer : String(publicKey.length) }
  reputation(key: string, ours: number): number { return this.#bans.has(key) ? -10 : ours }
  bannedElsewhere(key: string): string | undefined { return this.#bans.get(key) }
  note(key: string, finding: ReputationFinding): void { if (finding.type === 'banned') this.#bans.set(key, finding.reason) }
}

const address = new Uint8Array(20)

const resolve = (submissionWindowEnd: bigint): ScheduleAnswer => submissionWindowEnd % 12n === 0n ? { signer: address } : 'not_slot_end'
const schedule: ScheduleResolver = Object.assign(resolve, {
  upcoming: (now: bigint): readonly UpcomingSigner[] => [{ address, submissionWindowEnd: now + 12n }],
  subscribe: (changed: (from: bigint, to: bigint) => void, { signal }: { readonly signal: AbortSignal }): void => {
    signal.addEventListener('abort', () => { changed(0n, 0n) })
  },
})

const sign: AddressedSigner = Object.assign(
  (digest: Uint8Array, { preconf }: PreconfCommitment): Uint8Array => new Uint8Array(65).fill(digest[0] ?? Number(preconf.blockNumber)), { address },
)

const rules: ChainRules = ({ commitment, parent, signer }: RuleInput): RuleAnswer => {
  if (parent === undefined || signer.length === 20) return 'accept'
  return { verdict: 'ignore', reason: `block ${commitment.commitment.preconf.blockNumber}` }
}

class OwnLogger implements Logger {
  trace(fields: object, message: string): void { this.#write(fields, message) }
  debug(fields: object, message: string): void { this.#write(fields, message) }
  info(fields: object, message: string): void { this.#write(fields, message) }
  warn(fields: object, message: string): void { this.#write(fields, message) }
  error(fields: object, message: string): void { this.#write(fields, message) }
  child(bindings: object): Logger { this.#write(bindings, ''); return this }
  readonly lines: string[] = []
  #write(fields: object, message: string): void { this.lines.push(`${JSON.stringify(fields)} ${message}`) }
}

export const config: P2pConfig = {
  schedule, rules, signing: { sign, unprotected: true }, reputation: { backend: new OwnReputation() }, log: new OwnLogger(),
}

import { SignableENR } from '@chainsafe/enr'
import type { Context } from '../kernel/index.js'
import type { Store } from '../store/ingress.js'
import type { DiscoveryConfig } from './config.js'
import type { Discv5Node } from './discv5-node.js'
import type { DiscoveryInternal, DiscoveryMessage } from './ingress.js'
import { endpointOf, isUnspecified, scopeOf, sameIp } from './ip.js'
import type { Ip, AddressScope } from './ip.js'
import { says, signRecord } from './record.js'
import type { Claims } from './record.js'
import { AddressVotes } from './external-address-votes.js'
import type { Endpoint } from './external-address-votes.js'

/** Where the store keeps our last ENR. */
export const RECORD_META = 'discovery.enr'

export interface OurRecordNeeds {
  readonly ctx: Context<DiscoveryMessage, DiscoveryInternal>
  readonly config: DiscoveryConfig
  readonly store: Pick<Store, 'setMeta'>
  readonly node: Discv5Node
  /** What the store had. */
  readonly stored: string | undefined
}

/**
 * What we say of ourselves. Its sequence number is on disk before anybody sees it, so that it never goes back: who has seen a higher one
 * ignores us. The first one is the time in milliseconds, as geth does it: above all former ones even where the store was lost.
 */
export class OurRecord {
  readonly #needs: OurRecordNeeds
  readonly #votes: AddressVotes
  #listening: readonly string[]
  #learned: Endpoint | undefined
  #record: SignableENR
  #storing = false

  /** @param listening what libp2p listens on */
  constructor(needs: OurRecordNeeds, listening: readonly string[]) {
    this.#needs = needs
    this.#votes = new AddressVotes(needs.config.votes)
    this.#listening = listening
    this.#record = this.#restored() ?? this.#signed(0n)
  }

  get text(): string { return this.#record.encodeTxt() }
  get record(): SignableENR { return this.#record }

  /** How far our own address reaches; public where we do not know it. */
  get reach(): AddressScope {
    const { ip } = this.#claims()
    return ip === undefined ? 'public' : scopeOf(ip)
  }

  /** Whether PONGs may tell where we are: not where the operator has said it, nor where we listen on a public address. */
  get learns(): boolean {
    const { learnAddress, externalIp, listenIp } = this.#needs.config
    return learnAddress && externalIp === undefined && (isUnspecified(listenIp) || scopeOf(listenIp) !== 'public')
  }

  /** Makes the first record durable; where the store does not answer it is used all the same, since its number is the time. */
  async begin(): Promise<SignableENR> {
    const { ctx, store, config } = this.#needs
    if (this.#record.encodeTxt() === this.#needs.stored) return this.#record
    try {
      await store.setMeta(RECORD_META, this.#record.encodeTxt(), config.roomsWithin)
    } catch (error) {
      ctx.log.warn({ error }, 'the sequence number of our ENR is not stored')
    }
    return this.#record
  }

  listensOn(addresses: readonly string[]): void {
    this.#listening = addresses
    this.refresh()
  }

  /** Somebody at `voter` sees us there. */
  voted(voter: Ip, seen: Endpoint): void {
    const { ctx, config } = this.#needs
    if (!this.learns || seen.ip.family !== config.listenIp.family || seen.port === 0) return
    const reach = scopeOf(seen.ip)
    if (reach !== 'public' && !(reach === 'private' && config.privateAddresses === true)) return
    const winner = this.#votes.add(voter, seen, ctx.clock.monotonic())
    if (winner === undefined || (this.#learned !== undefined && sameIp(winner.ip, this.#learned.ip) && winner.port === this.#learned.port)) return
    ctx.log.info({ ip: winner.ip.text, udp: winner.port }, 'our address, as others see it')
    this.#learned = winner
    this.refresh()
  }

  /** Whether its network has voted lately. */
  hasVoted(voter: Ip): boolean { return this.#votes.has(voter, this.#needs.ctx.clock.monotonic()) }

  /** Signs and stores what has changed; it is published when it is stored. Tried again at each call while the store fails. */
  refresh(): void {
    const { ctx, store, config } = this.#needs
    if (this.#storing || says(this.#record, this.#claims())) return
    this.#storing = true
    const record = this.#signed(this.#record.seq)
    ctx.pipe(store.setMeta(RECORD_META, record.encodeTxt(), config.roomsWithin), {
      ok: () => ({ type: 'recordStored', record, error: undefined }),
      failed: error => ({ type: 'recordStored', record, error }),
    })
  }

  /** Whether there is a new record to be told. */
  stored(record: SignableENR, error: unknown): boolean {
    this.#storing = false
    if (error !== undefined) {
      this.#needs.ctx.log.warn({ error }, 'our new ENR is not stored, and so not published')
      return false
    }
    this.#record = record
    this.#needs.node.publish(record)
    this.refresh()
    return true
  }

  /** The record of the last run, where it says what is still so. */
  #restored(): SignableENR | undefined {
    const last = this.#lastRecord()
    if (last === undefined) return undefined
    return says(last, this.#claims()) ? last : this.#signed(last.seq)
  }

  #lastRecord(): SignableENR | undefined {
    const { stored, config, ctx } = this.#needs
    if (stored === undefined) return undefined
    try {
      return SignableENR.decodeTxt(stored, config.privateKey)
    } catch (error) {
      // of another key, whose numbers are not ours; or damaged: the time is above its number
      ctx.log.warn({ error }, 'the stored ENR is not ours')
      return undefined
    }
  }

  #signed(above: bigint): SignableENR {
    const { config, ctx } = this.#needs
    const now = BigInt(Math.trunc(ctx.clock.now()))
    return signRecord(config.privateKey, now > above ? now : above + 1n, this.#claims())
  }

  #claims(): Claims {
    const { chainId, external, externalIp, listenIp, networkKey } = this.#needs.config
    const ip = externalIp ?? this.#learned?.ip ?? (isUnspecified(listenIp) ? undefined : listenIp)
    if (ip === undefined) return { ip, udp: undefined, tcp: undefined, chainId, networkKey }
    const udp = external?.udp ?? (externalIp === undefined ? this.#learned?.port : undefined) ?? this.#needs.node.port
    return { ip, udp, tcp: external?.tcp ?? libp2pPort(ip, this.#listening), chainId, networkKey }
  }
}

/**
 * The TCP port at which libp2p can be reached at an address: the one that is listened on there, or on any other address of this host but
 * loopback (a router, or the cloud, hands it through). Never the UDP port.
 */
export function libp2pPort(ip: Ip, listening: readonly string[]): number | undefined {
  const endpoints = listening.map(endpointOf).filter(found => found?.protocol === 'tcp').filter(found => found?.ip.family === ip.family)
  const there = endpoints.find(found => found !== undefined && sameIp(found.ip, ip))
  const elsewhere = endpoints.find(found => found !== undefined && (scopeOf(found.ip) !== 'loopback' || scopeOf(ip) === 'loopback'))
  return (there ?? elsewhere)?.port
}

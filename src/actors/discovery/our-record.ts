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

/** The store's name for our last ENR. */
export const RECORD_META = 'discovery.enr'

export interface OurRecordNeeds {
  readonly ctx: Context<DiscoveryMessage, DiscoveryInternal>
  readonly config: DiscoveryConfig
  readonly store: Pick<Store, 'setMeta'>
  readonly node: Discv5Node
  /** The saved record, if there is one. */
  readonly stored: string | undefined
}

/**
 * Our own ENR. Its sequence number is on disk before the record is published, so that it never decreases: nodes ignore a record with a lower
 * number than one they have seen. The first number is the time in milliseconds, as in geth, so it exceeds all former ones even if the store was
 * lost.
 */
export class OurRecord {
  readonly #needs: OurRecordNeeds
  readonly #votes: AddressVotes
  #listening: readonly string[]
  #learned: Endpoint | undefined
  #record: SignableENR
  #storing = false

  /** @param listening the addresses that libp2p listens on */
  constructor(needs: OurRecordNeeds, listening: readonly string[]) {
    this.#needs = needs
    this.#votes = new AddressVotes(needs.config.votes)
    this.#listening = listening
    this.#record = this.#restored() ?? this.#signed(0n)
  }

  get text(): string { return this.#record.encodeTxt() }
  get record(): SignableENR { return this.#record }

  /** The scope of our own address; `public` if it is not known. */
  get reach(): AddressScope {
    const { ip } = this.#claims()
    return ip === undefined ? 'public' : scopeOf(ip)
  }

  /** Whether our address is learned from PONGs: not if the operator has set it, nor if we listen on a public address. */
  get learns(): boolean {
    const { learnAddress, externalIp, listenIp } = this.#needs.config
    return learnAddress && externalIp === undefined && (isUnspecified(listenIp) || scopeOf(listenIp) !== 'public')
  }

  /** Saves the first record. If that fails the record is used nevertheless, since its number is the time. */
  async begin(): Promise<SignableENR> {
    const { ctx, store, config } = this.#needs
    if (this.#record.encodeTxt() === this.#needs.stored) return this.#record
    try {
      await store.setMeta(RECORD_META, this.#record.encodeTxt(), config.roomsWithin)
    } catch (error) {
      ctx.log.warn({ error }, 'our ENR could not be saved; it is used nevertheless')
    }
    return this.#record
  }

  listensOn(addresses: readonly string[]): void {
    this.#listening = addresses
    this.refresh()
  }

  /** Counts a vote: the node at `voter` sees us at this endpoint. */
  voted(voter: Ip, seen: Endpoint): void {
    const { ctx, config } = this.#needs
    if (!this.learns || seen.ip.family !== config.listenIp.family || seen.port === 0) return
    const reach = scopeOf(seen.ip)
    if (reach !== 'public' && !(reach === 'private' && config.privateAddresses === true)) return
    const winner = this.#votes.add(voter, seen, ctx.clock.monotonic())
    if (winner === undefined || (this.#learned !== undefined && sameIp(winner.ip, this.#learned.ip) && winner.port === this.#learned.port)) return
    ctx.log.info({ ip: winner.ip.text, udp: winner.port }, 'our external address was learned from other nodes')
    this.#learned = winner
    this.refresh()
  }

  /** Whether its network has voted recently. */
  hasVoted(voter: Ip): boolean { return this.#votes.has(voter, this.#needs.ctx.clock.monotonic()) }

  /** Signs and saves a changed record, then publishes it. While the store fails, each call retries. */
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

  /** Takes the result of the save. Returns whether there is a new record to publish. */
  stored(record: SignableENR, error: unknown): boolean {
    this.#storing = false
    if (error !== undefined) {
      this.#needs.ctx.log.warn({ error }, 'our new ENR could not be saved, so it is not published')
      return false
    }
    this.#record = record
    this.#needs.node.publish(record)
    this.refresh()
    return true
  }

  /** The saved record, if its content is still right. */
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
      // another key's record, or damaged: a new one starts from the time
      ctx.log.warn({ error }, 'the saved ENR is damaged or of another key; a new one is made')
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
 * The TCP port to announce for an address: the port that libp2p listens on at it, else on any other address of this host except loopback, as a
 * router or cloud forwards it. Never the UDP port.
 */
export function libp2pPort(ip: Ip, listening: readonly string[]): number | undefined {
  const endpoints = listening.map(endpointOf).filter(found => found?.protocol === 'tcp').filter(found => found?.ip.family === ip.family)
  const there = endpoints.find(found => found !== undefined && sameIp(found.ip, ip))
  const elsewhere = endpoints.find(found => found !== undefined && (scopeOf(found.ip) !== 'loopback' || scopeOf(ip) === 'loopback'))
  return (there ?? elsewhere)?.port
}

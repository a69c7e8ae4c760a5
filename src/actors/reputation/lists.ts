import type { PeerKey } from '../../protocol/peer-key.js'
import { AddressRules, checkPeer, parseRule } from './address-rules.js'
import type { ParsedRule } from './address-rules.js'
import type { ReputationConfig } from './config.js'
import { ReputationError } from './errors.js'
import type { ConnectionQuestion, PeerLists, Rule } from './ingress.js'

/** The origin of an entry. Entries of the configuration are not saved. */
type Origin = 'config' | 'runtime'

/** Changes made at run time. `withdrawn`: entries of the configuration that were removed; they return at the next start of the process. */
export interface ListChanges {
  readonly blocked: readonly Rule[]
  readonly protected: readonly PeerKey[]
  readonly withdrawn: { readonly blocked: readonly Rule[]; readonly protected: readonly PeerKey[] }
}

export type ListsConfig = Pick<ReputationConfig, 'blocked' | 'protected' | 'staticPeers' | 'allowed' | 'maxRules'>

/** The operator's lists (SPEC §8): the entries of the configuration, and the changes made at run time. */
export class Lists {
  readonly #max: number
  readonly #blocked = new Map<Rule, { readonly rule: ParsedRule; readonly origin: Origin }>()
  readonly #protected = new Map<PeerKey, Origin>()
  readonly #static: ReadonlySet<PeerKey>
  readonly #allowed: ReadonlySet<PeerKey>
  readonly #withdrawn = { blocked: new Set<Rule>(), protected: new Set<PeerKey>() }
  #addresses: AddressRules | undefined

  /** @throws ReputationError `bad_rule`, `bad_peer`, `too_many_rules` */
  constructor(config: ListsConfig) {
    this.#max = config.maxRules
    for (const peer of [...config.staticPeers, ...config.allowed]) checkPeer(peer)
    this.#static = new Set(config.staticPeers)
    this.#allowed = new Set(config.allowed.length === 0 ? [] : [...config.allowed, ...config.staticPeers])
    for (const rule of config.blocked) this.block(rule, 'config')
    for (const peer of config.protected) this.protect(peer, 'config')
  }

  /** Adds a rule to the block list. Returns whether it is new. @throws ReputationError `bad_rule`, `too_many_rules` */
  block(text: Rule, origin: Origin = 'runtime'): boolean {
    const rule = parseRule(text)
    if (this.#blocked.has(rule.text)) return false
    this.#makeRoom(this.#blocked, text)
    const withdrawn = this.#withdrawn.blocked.delete(rule.text)
    this.#blocked.set(rule.text, { rule, origin: withdrawn ? 'config' : origin })
    if (rule.kind === 'address') this.#addresses = undefined
    return true
  }

  /** Removes a rule from the block list. Returns whether it was there. @throws ReputationError `bad_rule` */
  unblock(text: Rule): boolean {
    const rule = parseRule(text)
    if (this.#blocked.get(rule.text)?.origin === 'config') this.#withdrawn.blocked.add(rule.text)
    if (rule.kind === 'address') this.#addresses = undefined
    return this.#blocked.delete(rule.text)
  }

  /** Protects a peer. Returns whether it was not protected before. @throws ReputationError `bad_peer`, `too_many_rules` */
  protect(peer: PeerKey, origin: Origin = 'runtime'): boolean {
    checkPeer(peer)
    if (this.#protected.has(peer)) return false
    this.#makeRoom(this.#protected, peer)
    this.#protected.set(peer, this.#withdrawn.protected.delete(peer) ? 'config' : origin)
    return true
  }

  /** Ends the protection of a peer. Returns whether it was protected. @throws ReputationError `bad_peer`, `static_peer` */
  unprotect(peer: PeerKey): boolean {
    checkPeer(peer)
    if (this.#static.has(peer)) throw new ReputationError('static_peer', 'a static peer is always protected', { value: peer })
    if (this.#protected.get(peer) === 'config') this.#withdrawn.protected.add(peer)
    return this.#protected.delete(peer)
  }

  isProtected(peer: PeerKey): boolean { return this.#static.has(peer) || this.#protected.has(peer) }

  refuses({ peer, address }: ConnectionQuestion): string | undefined {
    if (peer !== undefined && this.#blocked.has(peer)) return 'blocked_peer'
    if (peer !== undefined && this.#allowed.size > 0 && !this.#allowed.has(peer)) return 'not_allowed'
    if (address !== undefined && this.#rules().against(address)) return 'blocked_address'
    return undefined
  }

  describe(): PeerLists {
    return { blocked: [...this.#blocked.keys()], protected: [...new Set([...this.#static, ...this.#protected.keys()])], allowed: [...this.#allowed] }
  }

  /** The differences to the configuration. */
  changes(): ListChanges {
    const added = <V>(from: ReadonlyMap<string, V>, originOf: (value: V) => Origin): string[] =>
      [...from].filter(([, value]) => originOf(value) === 'runtime').map(([text]) => text)
    return {
      blocked: added(this.#blocked, ({ origin }) => origin),
      protected: added(this.#protected, origin => origin),
      withdrawn: { blocked: [...this.#withdrawn.blocked], protected: [...this.#withdrawn.protected] },
    }
  }

  /** Applies saved changes. Returns an error for each that could not be applied. */
  restore({ blocked, protected: peers, withdrawn }: ListChanges): readonly ReputationError[] {
    const lost: ReputationError[] = []
    const attempt = (change: () => unknown): void => {
      try {
        change()
      } catch (error) {
        if (!(error instanceof ReputationError)) throw error
        lost.push(error)
      }
    }
    for (const rule of withdrawn.blocked) attempt(() => this.unblock(rule))
    for (const peer of withdrawn.protected) attempt(() => this.unprotect(peer))
    for (const rule of blocked) attempt(() => this.block(rule))
    for (const peer of peers) attempt(() => this.protect(peer))
    return lost
  }

  #rules(): AddressRules {
    return this.#addresses ??= new AddressRules([...this.#blocked.values()].flatMap(({ rule }) => rule.kind === 'address' ? [rule] : []))
  }

  #makeRoom(list: ReadonlyMap<string, unknown>, value: string): void {
    if (list.size < this.#max) return
    throw new ReputationError('too_many_rules', `the maximum of ${this.#max} entries is reached`, { value, limit: this.#max })
  }
}

import type { Context } from '../kernel/index.js'
import { readBootnode } from './bootnodes.js'
import type { Bootnode } from './bootnodes.js'
import { chainBytes } from './record.js'
import type { DiscoveryConfig } from './config.js'
import type { Discv5Node } from './discv5-node.js'
import { DiscoveryError } from './errors.js'
import { waitAfter } from './targets.js'
import type { DiscoveryEvent, DiscoveryInternal, DiscoveryMessage } from './ingress.js'

export interface BootnodeKeeperNeeds {
  readonly ctx: Context<DiscoveryMessage, DiscoveryInternal>
  readonly config: DiscoveryConfig
  readonly node: Discv5Node
  tell(event: DiscoveryEvent): void
  /** Called with a usable bootnode, for the routing table or as a peer to dial. */
  use(bootnode: Bootnode): void
}

interface Entry { readonly bootnode: Bootnode; failures: number; notBefore: number; asking: boolean }

/** Keeps the bootnodes. One that fails is logged once, until it has worked again, and is retried with backoff. */
export class BootnodeKeeper {
  readonly #entries = new Map<string, Entry>()

  constructor(private readonly needs: BootnodeKeeperNeeds) {}

  /** Reads the bootnodes of the configuration. Bad ones are logged and skipped. */
  begin(): void {
    for (const text of this.needs.config.bootnodes) {
      try {
        this.add(text)
      } catch (error) {
        this.#failed(text, error)
      }
    }
  }

  /** @throws DiscoveryError `bad_bootnode`, `bootnode_other_chain` */
  add(text: string): void {
    const { config, node } = this.needs
    const bootnode = readBootnode(text, config.listenIp.family, chainBytes(config.chainId))
    if (this.#entries.has(text) || isOurs(bootnode, node.nodeId, config)) return
    this.#entries.set(text, { bootnode, failures: 0, notBefore: -Infinity, asking: false })
    this.needs.use(bootnode)
  }

  /** Contacts the bootnodes whose retry is due. */
  round(): void {
    const { ctx, node } = this.needs
    const now = ctx.clock.monotonic()
    for (const entry of this.#entries.values()) {
      const { bootnode } = entry
      if (entry.asking || bootnode.kind === 'peer' || entry.notBefore > now) continue
      entry.asking = true
      const { text } = bootnode
      const failed = (error: unknown): DiscoveryInternal => ({ type: 'bootnodeAsked', bootnode: text, record: undefined, endpoint: undefined, error })
      if (bootnode.kind === 'record') {
        const { record } = bootnode
        this.needs.use(bootnode)
        ctx.pipe(node.ping(record), { ok: endpoint => ({ type: 'bootnodeAsked', bootnode: text, record, endpoint, error: undefined }), failed })
      } else {
        ctx.pipe(node.request(bootnode.ip, bootnode.port, bootnode.publicKey), {
          ok: record => ({ type: 'bootnodeAsked', bootnode: text, record, endpoint: undefined, error: undefined }), failed,
        })
      }
    }
  }

  /** Takes the result of contacting a bootnode; `error` undefined: it answered. */
  asked(text: string, error: unknown): void {
    const { clock, random } = this.needs.ctx
    const { retry, lookupEvery } = this.needs.config
    const entry = this.#entries.get(text)
    if (entry === undefined) return
    entry.asking = false
    if (error === undefined) {
      entry.failures = 0
      // discv5 keeps it from now on, but may drop it when its routing table is full
      entry.notBefore = clock.monotonic() + Math.max(retry.maxMs, lookupEvery)
      return
    }
    entry.notBefore = clock.monotonic() + waitAfter(entry.failures, true, retry, random)
    this.unreachable(text, error)
  }

  /** Notes that a bootnode could not be dialled or did not answer. Only the first failure in a row is logged. */
  unreachable(text: string, cause: unknown): void {
    const entry = this.#entries.get(text)
    if (entry === undefined) return
    entry.failures = Math.min(entry.failures + 1, 64)
    if (entry.failures > 1) return
    this.#failed(text, cause instanceof DiscoveryError ? cause : new DiscoveryError('bootnode_unreachable', `bootnode ${text} does not answer`, { value: text, cause }))
  }

  reached(text: string): void {
    const entry = this.#entries.get(text)
    if (entry !== undefined) entry.failures = 0
  }

  #failed(bootnode: string, error: unknown): void {
    const code = error instanceof DiscoveryError ? error.code : 'bad_bootnode'
    this.needs.ctx.log.warn({ bootnode, code, error }, 'a bootnode cannot be used')
    this.needs.tell({ type: 'bootnodeFailed', bootnode, code, error })
  }
}

/** Whether a bootnode is this node: all nodes of a network may share one list. */
function isOurs(bootnode: Bootnode, nodeId: string, { peer }: DiscoveryConfig): boolean {
  return (bootnode.kind === 'record' && bootnode.record.nodeId === nodeId) || (bootnode.kind === 'peer' && bootnode.peer === peer)
}

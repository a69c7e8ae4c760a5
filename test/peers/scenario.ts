import { Blocks, TIP } from './blocks.js'
import type { Line } from './line-process.js'
import { OurNode, RustPeer } from './nodes.js'
import type { Peer } from './nodes.js'
import { SlowLink } from './slow-link.js'
import type { Switch } from './without/hooks.js'

/** What became of the same scenario with a work-around or protection and without it. */
export interface Comparison {
  readonly row: string
  readonly what: string
  readonly withIt: string
  readonly withoutIt: string
  /** It goes well with it, and not without it. */
  readonly matters: boolean
}

export interface Outcome { readonly well: boolean; readonly found: string }

export interface Scenario {
  readonly row: string
  /** Of `without/hooks.ts`. */
  readonly off: Switch
  readonly what: string
  run(stage: Stage): Promise<Outcome>
}

/** The processes of one scenario, ended whatever happens. */
export class Stage {
  readonly #peers: Peer[] = []
  readonly #links: SlowLink[] = []
  readonly blocks: Blocks
  private constructor(private readonly program: string, private readonly without: Switch | undefined, blocks: Blocks) { this.blocks = blocks }

  static async run(program: string, scenario: Scenario, without: Switch | undefined): Promise<Outcome> {
    const stage = new Stage(program, without, await Blocks.create())
    try {
      return await scenario.run(stage)
    } finally {
      await Promise.all(stage.#peers.map(async peer => peer.stop()))
      for (const link of stage.#links) link.close()
    }
  }

  async ours(name: string, onLine: (line: Line) => void = () => undefined): Promise<OurNode> {
    const { without } = this
    return this.#add(new OurNode(name, { confirmedTip: TIP, ...without === undefined ? {} : { without } }, (_, line) => { onLine(line) }))
  }

  async rust(name: string, onLine: (line: Line) => void = () => undefined): Promise<RustPeer> {
    return this.#add(new RustPeer(name, this.program, (_, line) => { onLine(line) }))
  }

  /** The address of a peer through a link that takes its time. */
  async slowLink(to: Peer, delay: number): Promise<string> {
    const link = await SlowLink.to(to.address, delay)
    this.#links.push(link)
    return link.address
  }

  async #add<T extends Peer>(peer: T): Promise<T> {
    this.#peers.push(peer)
    return peer.start()
  }
}

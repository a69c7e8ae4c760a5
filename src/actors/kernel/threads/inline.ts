import { Asked } from '../asked.js'
import { toWire } from '../boundary.js'
import { InterruptedError, KernelError } from '../errors.js'
import { Incarnation } from '../incarnation.js'
import type { Spec } from '../incarnation.js'
import { messageOf } from '../inbox.js'
import type { Entry } from '../inbox.js'
import type { Host, Life, Queue } from '../life.js'
import type { Feedback } from '../mailbox.js'
import type { Message } from '../message.js'
import type { HaltReason } from '../node.js'
import { isBehaviour, portsOf, replyOf } from './behaviour.js'
import type { Behaviour } from './behaviour.js'
import { Crossings, notCloneable } from './packing.js'
import { Reviver } from './revive.js'
import type { FilledOptions } from './filled.js'

/** Modules that are loaded, so that a later incarnation starts without waiting. */
const loaded = new Map<string, Readonly<Record<string, unknown>>>()

/** The same actor in this thread: what would cross is packed, cloned and unpacked, so that nothing is shared here that would not be there. */
export class InlineLife implements Life {
  readonly #crossings: Crossings
  readonly #reviver: Reviver
  #incarnation: Incarnation | undefined
  #ended = false

  constructor(private readonly host: Host, private readonly options: FilledOptions) {
    this.#crossings = new Crossings(options.boundary)
    this.#reviver = new Reviver(options.errors)
  }

  get phase(): Life['phase'] { return this.#incarnation?.phase ?? 'starting' }
  get free(): boolean { return this.#incarnation?.free === true }
  get own(): number { return this.#incarnation?.own ?? 0 }
  get answering(): number { return this.#incarnation?.answering ?? 0 }
  get inHand(): number { return this.#incarnation?.inHand ?? 0 }
  get holds() { return this.#incarnation?.holds ?? [] }

  async start(): Promise<void> {
    const { module, params } = this.options
    if (!loaded.has(module)) loaded.set(module, await import(module) as Readonly<Record<string, unknown>>)
    if (this.#ended) throw new InterruptedError(this.host.path)
    const { make } = exported(loaded.get(module)!, this.options)
    const spec = make(this.#through('params', params) as never, this.#ports() as never) as unknown as Spec
    this.#incarnation = new Incarnation(this.host, spec)
    await this.#incarnation.start()
  }

  run(queue: Queue, limit: number): number { return this.#incarnation!.run(this.#crossing(queue), limit) }

  async halt(reason: HaltReason): Promise<void> {
    this.#ended = true
    await this.#incarnation?.halt(reason)
  }

  abandon(): void {
    this.#ended = true
    this.#incarnation?.abandon()
  }

  #through(name: string, value: unknown): unknown {
    const entry = this.#crossings.number(name)
    if (entry === undefined) throw new KernelError('not_cloneable', `${name} is not in the boundary`, name)
    return this.#crossings.through(entry, value)
  }

  #crossing(queue: Queue): Queue {
    const take = (): Entry | undefined => {
      for (let entry = queue.take(); entry !== undefined; entry = queue.take()) {
        const crossed = this.#cross(entry)
        if (crossed !== undefined) return crossed
      }
      return undefined
    }
    return { take, get sampled() { return queue.sampled } }
  }

  #cross(entry: Entry): Entry | undefined {
    const message = messageOf(entry)
    try {
      const crossed = this.#through(message.type, message) as Message
      return entry instanceof Asked ? this.#asked(entry, crossed) : crossed
    } catch (error) {
      if (entry instanceof Asked) entry.refuse(notCloneable(error))
      this.host.runtime.log.error({ actor: this.host.path, type: message.type, err: error }, 'a message cannot cross')
      this.host.count('not_cloneable', message)
      return undefined
    }
  }

  /** The ask as the actor gets it; its outcome crosses back to the asker. */
  #asked(asker: Asked, message: Message): Asked {
    const { host: { path, runtime: { clock } } } = this
    const asked = Asked.open(message, `${path} ${message.type}`, clock, reply => {
      asker.onSettled = undefined
      try { asker.answer(this.#through(replyOf(message.type), reply)) } catch (error) { asker.refuse(notCloneable(error)) }
    }, error => {
      asker.onSettled = undefined
      asker.refuse(this.#reviver.revive(toWire(error)))
    })
    asker.onSettled = () => { asked.cancel() }
    return asked
  }

  #ports(): object {
    const { boundary, ports } = this.options
    return Object.fromEntries(portsOf(boundary).map(port => [port, {
      send: (message: Message): Feedback => {
        if (this.#ended && this.phase !== 'stopping') return 'closed'
        try { return ports[port]!.send(this.#through(`${port}.${message.type}`, message) as Message) } catch (error) {
          this.host.runtime.log.error({ actor: this.host.path, port, type: message.type, err: error }, 'a message cannot cross')
          this.host.count('not_cloneable', message)
          return 'rejected'
        }
      },
    }]))
  }
}

function exported(module: Readonly<Record<string, unknown>>, { module: url, export: name }: FilledOptions): Behaviour {
  const found = module[name]
  if (!isBehaviour(found)) throw new TypeError(`${url} exports no behaviour as ${name}`)
  return found
}

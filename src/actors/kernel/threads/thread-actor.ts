import { pathToFileURL } from 'node:url'
import type { ActorSpec } from '../actor.js'
import { life } from '../life.js'
import type { Host, Life } from '../life.js'
import type { MailboxSpec } from '../mailbox.js'
import type { Message } from '../message.js'
import { validated } from '../options.js'
import type { ThreadBoundary } from './behaviour.js'
import { InlineLife } from './inline.js'
import type { FilledOptions } from './filled.js'
import type { ErrorClass } from './revive.js'
import { ThreadLife } from './thread-life.js'
import type { ThreadFlags } from './thread.js'

export interface ThreadOptions extends ThreadFlags {
  /** False: the actor lives in this thread, and everything crosses all the same, through codecs and clones. True. */
  readonly thread?: boolean
  /** Messages in the thread at most, and replies and others on their way back. 256. */
  readonly credits?: number
  /** Their bytes at most; one that is larger crosses alone. 4 MiB: with less, large messages wait for each other. */
  readonly creditBytes?: number
  /** A thread whose event loop has stood still for so long while it has messages is ended, ms of our own loop's turning. 10 s; Infinity: never. */
  readonly hangWithin?: number
  /** How long a start waits for the exit of the former thread, ms; then it fails. 10 s. */
  readonly killWithin?: number
  /** Runs here when a thread has exited, before the next one starts: takes away what it may have left. */
  readonly exited?: () => void | Promise<void>
}

/** An actor whose behaviour a module brings. */
export interface ThreadActor<M extends Message, Params, P> extends ThreadOptions {
  readonly name: string
  /** URL or path of a JavaScript module, and which of its exports is the `behaviour`. */
  readonly module: URL | string
  readonly export: string
  readonly mailbox: MailboxSpec<M>
  /** The one that the behaviour was declared with. */
  readonly boundary: ThreadBoundary<M, Params, P>
  readonly params: Params
  /** Where the actor may send to. */
  readonly ports: P
  /** Classes of errors that an asker gets as themselves. The kernel's and the language's are known. */
  readonly errors?: readonly ErrorClass[]
}

const defaults = { thread: true, credits: 256, creditBytes: 4 * 1_024 * 1_024, hangWithin: 10_000, killWithin: 10_000, nice: 0, execArgv: [] }

/**
 * Declares an actor that lives in a thread of its own; whoever talks to it cannot tell (SEMANTICS.md, Threads).
 * `root.child('store', () => threadActor({ … }))`
 * @throws KernelError `bad_option`
 */
export function threadActor<M extends Message, Params, P>(given: ThreadActor<M, Params, P>): ActorSpec<M, unknown> {
  const { module, errors = [], ...rest } = given
  const { thread, credits, creditBytes, ...options } = validated(given.name, defaults, rest)
  const filled = {
    ...options, module: module instanceof URL ? module.href : module.startsWith('file:') ? module : pathToFileURL(module).href, errors,
    window: { records: credits, bytes: creditBytes },
  } as unknown as FilledOptions
  const lives = thread ? ThreadLife : InlineLife
  const spec = { name: given.name, mailbox: given.mailbox, init: () => undefined, receive: {}, [life]: (host: Host): Life => new lives(host, filled) }
  return spec as unknown as ActorSpec<M, unknown>
}

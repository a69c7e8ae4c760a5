import type { MailboxSpec } from '../mailbox.js'
import type { Message } from '../message.js'
import type { Port } from '../ref.js'
import type { Window } from './outbox.js'
import type { ErrorClass } from './revive.js'
import type { ThreadFlags } from './thread.js'

/** What `threadActor` was given, with its defaults, its types forgotten. */
export interface FilledOptions extends ThreadFlags {
  readonly name: string
  readonly module: string
  readonly export: string
  readonly mailbox: MailboxSpec<Message>
  readonly boundary: object
  readonly params: unknown
  readonly ports: Readonly<Record<string, Port<Message>>>
  readonly errors: readonly ErrorClass[]
  readonly nice: number
  readonly window: Window
  readonly hangWithin: number
  readonly killWithin: number
  readonly exited: (() => void | Promise<void>) | undefined
}

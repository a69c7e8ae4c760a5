/** Anything an actor is sent: one union per actor, told apart by `type`. */
export interface Message { readonly type: string }

declare const reply: unique symbol

/** A message that is asked and answered: `Ask<'standing', { peer: PeerKey }, Standing>`. */
export type Ask<T extends string, Req, Res> = { readonly type: T } & Readonly<Req> & { readonly [reply]?: { readonly of: Res } }

/** The member of the union `M` whose type is `T`. */
export type ByType<M extends Message, T extends M['type']> = Extract<M, { readonly type: T }>

/** The declared reply of a message, `void` where it has none. */
export type ReplyOf<M> = typeof reply extends keyof M
  ? M extends { readonly [reply]?: infer R } ? NonNullable<R> extends { readonly of: infer Res } ? Res : void : void
  : void

/** Those types of the union that are asks. */
export type AskTypes<M extends Message> = { [T in M['type']]: typeof reply extends keyof ByType<M, T> ? T : never }[M['type']]

/** What an asker has to give: the message without its type and its reply. */
export type BodyOf<M> = M extends unknown ? Omit<M, 'type' | typeof reply> : never

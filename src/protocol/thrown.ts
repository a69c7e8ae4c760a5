/**
 * What was thrown, whatever it is. An `Error` may be of another realm (Jest, vitest's vm pools, `vm` contexts): Node's own modules throw those of theirs,
 * and `instanceof` says no to them (H77). So its parts are read, not its kind.
 */

interface ErrorLike { readonly name: string; readonly message: string; readonly code?: unknown; readonly cause?: unknown }

export function isErrorLike(thrown: unknown): thrown is ErrorLike {
  return typeof thrown === 'object' && thrown !== null && 'message' in thrown && typeof thrown.message === 'string' && 'name' in thrown && typeof thrown.name === 'string'
}

/** The text of anything thrown. */
export function messageOf(thrown: unknown): string { return isErrorLike(thrown) ? thrown.message : String(thrown) }

/** The name of an error, or the type of anything else that was thrown. */
export function nameOf(thrown: unknown): string { return isErrorLike(thrown) ? thrown.name : typeof thrown }

/** The code of an error that has one: Node's errors and our own tell what they are by it. */
export function codeOf(thrown: unknown): string | undefined {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
}

/** The same thing as an error of this realm, for who must have one. */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown
  return isErrorLike(thrown) ? Object.assign(new Error(thrown.message, { cause: thrown }), { name: thrown.name }) : new Error(String(thrown))
}

/** Makes a listener that cannot throw of one that can. */
export type Guard = <E>(listener: (event: E) => void) => (event: E) => void

/**
 * What a listener throws at a library's event, nobody catches: it ends the process. Guarded it fails the driver instead, and the
 * supervisor acts (H30).
 */
export function guard(failed: (error: unknown) => void): Guard {
  return listener => event => {
    try { listener(event) } catch (error) { failed(error) }
  }
}

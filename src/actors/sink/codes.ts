/** The code of whatever was thrown; `failed` where it has none. */
export function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : 'failed'
}

/** What an error says, in one line. */
export const messageOfError = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!

/** What is said of each signature. */

/** It is not this key's, or no signature at all. */
export const INVALID: u8 = 0
/** Recovery gives exactly this key. */
export const VALID: u8 = 1
/** Not known: two points of its sum had the same x. Ordinary recovery decides. */
export const UNDECIDED: u8 = 2

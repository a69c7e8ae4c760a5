/** No block is above this height, and no window later than this (SPEC §6, Values out of reach): such values are kept nowhere. */
export const MAX_HEIGHT = 2n ** 64n - 2n
export const MAX_WINDOW = 2n ** 64n - 1n

/** The latest window's end, in seconds, that is within reach at this wall time; both in ms. */
export const latestWindow = (wall: number, horizon: number): bigint => BigInt(Math.floor((wall + horizon) / 1_000))

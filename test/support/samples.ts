/**
 * Whether tests of chance draw their samples in full: `TEST_SAMPLES=full npm run test:file -- PATH`. An ordinary run takes a part of them,
 * new ones each time.
 */
export const thorough = process.env['TEST_SAMPLES'] === 'full'

/** So many samples in full; a third of them in an ordinary run. */
export const samples = (full: number): number => thorough ? full : Math.ceil(full / 3)

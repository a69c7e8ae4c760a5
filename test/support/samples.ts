/**
 * Whether tests of chance draw their samples in full, new ones each time: `npm run test:samples`, or `npm run test:samples -- PATH`. An ordinary
 * run takes a part of them, the same each time.
 */
export const thorough = process.env['TEST_SAMPLES'] === 'full'

/** So many samples in full; a third of them in an ordinary run. */
export const samples = (full: number): number => thorough ? full : Math.ceil(full / 3)

import { EPOCH, FakeL1, operator } from './fake-l1.js'
import type { Variant } from '../../src/actors/schedule/facts.js'
import type { Call } from '../../src/actors/schedule/rpc.js'

/** The epoch in which tests begin. */
export const E = EPOCH * 4_000
export const NEXT = E + EPOCH
export const WHITELISTED = ['one', 'two', 'three'].map(name => ({ ...operator(name), activeSince: EPOCH }))

/** An L1 whose epoch E has just begun, four epochs after its first block. */
export const started = (variant: Variant = 'lookahead', operators = WHITELISTED): FakeL1 =>
  new FakeL1(variant, { time: E - 4 * EPOCH, operators }).mineTo(E + 12)

/** An endpoint that answers some methods otherwise. */
export const twisted = (call: Call, twist: (method: string, params: readonly unknown[], answer: () => Promise<unknown>) => unknown): Call =>
  async (method, params, signal) => twist(method, params, async () => call(method, params, signal))

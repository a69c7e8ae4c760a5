import { KernelError } from './errors.js'

interface Check {
  readonly must: string
  /** A group of options, each with its own default. */
  readonly isGroup?: true
  holds(value: unknown): boolean
}

const number = (must: string, holds: (value: number) => boolean): Check =>
  ({ must, holds: value => typeof value === 'number' && holds(value) })
const oneOf = (...words: readonly string[]): Check => ({ must: `one of ${words.join(', ')}`, holds: value => words.includes(value as string) })
const callable: Check = { must: 'a function', holds: value => typeof value === 'function' }

const whole = (least: number): Check => number(`a whole number ≥ ${least}, or Infinity`, n => n >= least && (n === Infinity || Number.isSafeInteger(n)))
const atLeast = (least: number): Check => number(`a number ≥ ${least}, or Infinity`, n => n >= least)
const bounded = number(`a whole number from 1 to 2 ** 30`, n => Number.isSafeInteger(n) && n >= 1 && n <= 2 ** 30)
const within = (least: number, most: number): Check => number(`a number from ${least} to ${most}`, n => n >= least && n <= most)

/** What each option of the kernel must be, wherever it is given. Milliseconds where the name says no other unit. */
const checks: Readonly<Record<string, Check>> = {
  strategy: oneOf('one_for_one', 'rest_for_one', 'one_for_all'),
  kind: oneOf('permanent', 'transient', 'temporary'),
  maxChildren: whole(0),
  size: bounded,
  maxWeight: atLeast(0),
  maxRestarts: whole(0),
  within: atLeast(1),
  stableAfter: atLeast(0),
  backoff: { must: 'an object', isGroup: true, holds: value => typeof value === 'object' && value !== null },
  firstMs: within(0, Number.MAX_SAFE_INTEGER),
  maxMs: within(0, Number.MAX_SAFE_INTEGER),
  factor: within(1, Number.MAX_SAFE_INTEGER),
  jitter: within(0, 1),
  startWithin: atLeast(0),
  stopWithin: atLeast(0),
  drainWithin: atLeast(0),
  decide: callable,
  onEvent: callable,
  trace: callable,
  capacity: whole(1),
  'mailbox.capacity': bounded,
  'mailbox.maxWaiting': bounded,
  'mailbox.maxAnswering': bounded,
}

/** @throws KernelError `bad_option`; `value`: what was given */
export function checked(whose: string, name: string, value: unknown): void {
  const check = checks[name]
  if (check?.holds(value) === false) throw new KernelError('bad_option', `${whose}: ${name} must be ${check.must}`, value)
}

/**
 * The defaults, and over them what was given; `undefined` counts as not given.
 * @param whose path, for the message
 * @throws KernelError `bad_option`; `value`: what was given
 */
export function validated<D extends object>(whose: string, defaults: D, given: object): D {
  const taken = { ...defaults } as Record<string, unknown>
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    checked(whose, name, value)
    taken[name] = checks[name]?.isGroup === true ? validated(`${whose}: ${name}`, taken[name] as object, value as object) : value
  }
  return taken as D
}

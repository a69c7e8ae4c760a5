/** What an option's value may be: from text, whatever the text came from. */
import { InvalidArgumentError } from 'commander'

/** A kind of value. */
export interface Kind<T> {
  /** As help shows it: `number`, `folder`, … */
  readonly placeholder: string
  /** Completes "it is …": what a text has to be. */
  readonly what: string
  readonly example?: string
  /** All that there are, where they are few. */
  readonly choices?: readonly string[]
  /** @returns `undefined` where the text is none of them */
  readonly parse: (text: string) => T | undefined
}

const matching = (pattern: RegExp) => (text: string): string | undefined => pattern.test(text) ? text : undefined

/** Any text: what it means is checked where it is used. */
export const text = (placeholder: string, what: string, example?: string): Kind<string> => ({ placeholder, what, ...example !== undefined && { example }, parse: given => given })

export const number = (min: number, max: number): Kind<number> => ({
  placeholder: 'number', what: `a number from ${min} to ${max}`,
  parse(given) {
    const value = Number(given)
    return given.trim() !== '' && Number.isFinite(value) && value >= min && value <= max ? value : undefined
  },
})

export const wholeNumber = (min: number, max: number, placeholder = 'number'): Kind<number> => ({
  placeholder, what: `a whole number from ${min} to ${max}`,
  parse(given) {
    const value = number(min, max).parse(given)
    return value !== undefined && Number.isInteger(value) ? value : undefined
  },
})

export const port = wholeNumber(0, 65_535)

export const bigNumber: Kind<bigint> = { placeholder: 'number', what: 'a whole number', parse: given => /^\d{1,78}$/.test(given) ? BigInt(given) : undefined }

export const oneOf = <const C extends string>(placeholder: string, choices: readonly C[]): Kind<C> =>
  ({ placeholder, what: `one of ${choices.join(', ')}`, choices, parse: given => choices.find(choice => choice === given) })

export const yesOrNo: Kind<boolean> = {
  placeholder: 'boolean', what: 'true or false', choices: ['true', 'false'],
  parse: given => given === 'true' ? true : given === 'false' ? false : undefined,
}

/** So many bytes in hex, with or without 0x. */
export const hex = (bytes: number, placeholder: string, what = `${2 * bytes} hex digits`): Kind<string> =>
  ({ placeholder, what, parse: matching(new RegExp(`^(0x)?[0-9a-fA-F]{${2 * bytes}}$`)) })

export const address = hex(20, 'address', 'an address of 40 hex digits')

/** @param schemes without their colon */
export const url = (schemes: readonly string[], example: string): Kind<string> => ({
  placeholder: 'url', what: `a URL that begins with ${schemes.map(scheme => `${scheme}://`).join(', ')}`, example,
  parse: given => URL.canParse(given) && schemes.includes(new URL(given).protocol.slice(0, -1)) ? given : undefined,
})

/** For options and arguments that one command has for itself. */
export const argument = <T>({ what, parse }: Kind<T>) => (given: string): T => {
  const value = parse(given)
  if (value === undefined) throw new InvalidArgumentError(`It is ${what}.`)
  return value
}

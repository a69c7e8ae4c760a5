/** What a campaign may be told: numbers, each with a default. */
export interface CampaignOption {
  readonly about: string
  readonly default: number
}

export interface CampaignRun<Names extends string = string> {
  /** Whatever is left to chance follows from it. */
  readonly seed: number
  readonly options: Readonly<Record<Names, number>>
  /** A line for the reader. */
  readonly log: (line: string) => void
}

/**
 * Something too long for the test suite: `npm run campaign -- NAME`. A campaign is a file directly under test/campaigns/ that
 * exports this; what only it needs lies in a folder of its name. A short run of it belongs among the tests.
 */
export interface Campaign<Names extends string = string> {
  /** One line: what is shown. */
  readonly about: string
  /** Beside `--seed`: `--NAME number`. */
  readonly options: Readonly<Record<Names, CampaignOption>>
  run(run: CampaignRun<Names>): Promise<Tally>
}

/** What was checked: how many times it was right, and each time it was not. */
export class Tally {
  passed = 0
  readonly failures: string[] = []

  /** Counts one check; where it is wrong, `what` says which. */
  check(right: boolean, what: () => string): boolean {
    if (right) this.passed++
    else this.failures.push(what())
    return right
  }

  toString(): string { return `${this.passed} passed, ${this.failures.length} failed` }
}

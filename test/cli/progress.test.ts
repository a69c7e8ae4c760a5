import { Writable } from 'node:stream'
import { expect } from 'chai'
import { CatchUpProgress, doneOf, duration, progressLine } from '../../src/cli/progress.js'
import type { Progress } from '../../src/cli/progress.js'
import { logTo } from '../../src/cli/log.js'

const middle: Progress = { from: 1_000_001n, to: 1_100_000n, at: 1_042_001n, perSecond: 12_345.6, peers: 3, etaMs: 4_700 }

/** Keeps what is written; a terminal where it is given a width. */
class Screen extends Writable {
  readonly isTTY = true
  text = ''
  constructor(readonly columns = 80, readonly rows = 24) { super({ decodeStrings: false }) }
  override _write(chunk: string, _encoding: string, done: () => void): void { this.text += chunk; done() }
  /** What stands on the screen when the escape sequences of log-update have been followed. */
  get seen(): string[] {
    const lines = ['']
    for (const part of this.text.split(/(\u001b\[[0-9;?]*[A-Za-z]|\n)/)) {
      if (part === '\n') lines.push('')
      else if (/^\u001b\[2K$/.test(part)) lines[lines.length - 1] = ''
      else if (/^\u001b\[\d*A$/.test(part)) lines.pop()
      else if (!part.startsWith('\u001b')) lines[lines.length - 1] += part
    }
    return lines.filter(line => line !== '')
  }
}

describe('command line: progress of a catch-up', () => {
  it('is a bar with the share, the time left, the pace, the blocks and the peers', () => {
    expect(progressLine(middle, 120)).to.equal(
      'catching up ████████████░░░░░░░░░░░░░░░░░░   42 %  5 s left  12,346 blocks/s  42,000 of 100,000  3 peers',
    )
  })

  it('keeps to the width of the terminal, whatever that is', () => {
    for (let width = 0; width <= 130; width++) expect(progressLine(middle, width).length, `${width}`).to.be.at.most(width)
    expect(progressLine(middle, 30)).to.equal('catching up   42 %  5 s left')
    expect(progressLine(middle, 60)).to.equal('catching up ████████████░░░░░░░░░░░░░░░░░░   42 %  5 s left')
    expect(progressLine(middle, 5)).to.equal('catch')
  })

  it('at its ends: nothing yet, all there, more than was known, nothing to do', () => {
    expect(doneOf({ ...middle, at: 1_000_001n })).to.equal(0)
    expect(doneOf({ ...middle, at: 1_100_001n })).to.equal(1)
    expect(doneOf({ ...middle, at: 1_200_000n })).to.equal(1)
    expect(doneOf({ ...middle, to: 1_000_000n })).to.equal(1)
    expect(progressLine({ ...middle, at: 1_100_000n }, 40)).to.contain(' 99 %')
    expect(progressLine({ ...middle, at: 1_000_001n, perSecond: 0, peers: 1, etaMs: undefined }, 120)).to.contain(
      '░    0 %  waiting  0 blocks/s  0 of 100,000  1 peer',
    )
  })

  it('time as somebody who waits reads it', () => {
    expect([0, 400, 59_400, 60_000, 200_000, 7_500_000, 90_000_000].map(duration)).to.deep.equal(
      ['0 s', '0 s', '59 s', '1 min 0 s', '3 min 20 s', '2 h 5 min', '25 h 0 min'],
    )
  })

  it('moves in place on a terminal; what is logged stands above it; at the end it is gone', () => {
    const screen = new Screen()
    const progress = new CatchUpProgress(screen, screen, () => 0)
    const log = logTo(progress.above, 'info')
    progress.started(1_000_001n, log)
    progress.moved({ ...middle, at: 1_010_001n }, log)
    progress.moved(middle, log)
    expect(progress.running).to.equal(true)
    log.info({}, 'something else')
    expect(screen.seen.map(line => line.startsWith('{') ? (JSON.parse(line) as { msg: string }).msg : line.slice(0, 11))).to.deep.equal(
      ['catching up', 'something else', 'catching up'],
    )
    progress.done({ type: 'syncDone', from: 1_000_001n, to: 1_100_000n, blocks: 100_000, ms: 8_123.4 }, log)
    expect(progress.running).to.equal(false)
    expect(screen.seen.map(line => (JSON.parse(line) as { msg: string }).msg)).to.deep.equal(['catching up', 'something else', 'caught up'])
  })

  it('without a terminal is a line now and then', () => {
    const output = new Screen()
    let now = 0
    const progress = new CatchUpProgress(output, undefined, () => now)
    const log = logTo(progress.above, 'info')
    progress.started(1_000_001n, log)
    for (; now < 25_000; now += 1_000) progress.moved(middle, log)
    progress.failed({ type: 'syncFailed', code: 'not_delivered', at: 1_042_001n, reason: 'nobody has it', ms: 25_000 }, log)
    const lines = output.text.trim().split('\n').map(line => JSON.parse(line) as Record<string, unknown>)
    expect(lines.map(({ msg }) => msg)).to.deep.equal(['catching up', 'catching up', 'catching up', 'not caught up'])
    expect(lines[1]).to.include({ at: '1042001', to: '1100000', percent: 42, perSecond: 12_346, peers: 3, left: '5 s' })
    expect(output.text).to.not.contain('\u001b')
  })
})

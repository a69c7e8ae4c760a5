import { Readable } from 'node:stream'
import { expect } from 'chai'
import fc from 'fast-check'
import { LINE_TOO_LONG, boundedLines } from '../../src/operate/lines.js'

async function linesOf(chunks: readonly Uint8Array[], maxLength: number): Promise<(string | typeof LINE_TOO_LONG)[]> {
  const lines: (string | typeof LINE_TOO_LONG)[] = []
  for await (const line of boundedLines(Readable.from(chunks, { objectMode: false }), maxLength)) lines.push(line)
  return lines
}

/** Cuts bytes at any places, in the middle of a character too. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...new Set(places.map(place => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...ends].map((start, at) => bytes.subarray(start, ends[at] ?? bytes.length)).filter(({ length }) => length > 0)
}

describe('operate/lines', () => {
  it('gives the same lines however the bytes come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }).map(line => line.replaceAll('\n', ' '))),
        fc.array(fc.nat(400)),
        fc.boolean(),
        async (lines, places, ended) => {
          const text = lines.join('\n') + (ended && lines.length > 0 ? '\n' : '')
          const expected = text.split('\n')
          if (expected.at(-1) === '') expected.pop()
          expect(await linesOf(cut(new TextEncoder().encode(text), places), 1_000)).to.deep.equal(expected)
        },
      ),
    )
  })

  it('a line that is too long is told once, in its place, and those around it come', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.nat(30), { maxLength: 12 }), fc.array(fc.nat(400)), async (lengths, places) => {
      const lines = lengths.map((length, at) => String.fromCharCode(97 + at).repeat(length))
      const got = await linesOf(cut(new TextEncoder().encode(lines.map(line => `${line}\n`).join('')), places), 10)
      expect(got).to.deep.equal(lines.map(line => line.length > 10 ? LINE_TOO_LONG : line))
    }))
  })

  it('any bytes give lines and no failure', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(200)), async (bytes, places) => {
      for (const line of await linesOf(cut(bytes, places), 20)) if (line !== LINE_TOO_LONG) expect(line.length).to.be.at.most(20)
    }))
  })

  it('a line that never ends costs no more than its bound', async () => {
    const chunk = new Uint8Array(65_536).fill(97)
    let sent = 0
    const endless = new Readable({ read() { this.push(sent++ < 1_000 ? chunk : null) } })
    const before = process.memoryUsage().heapUsed
    const lines = []
    for await (const line of boundedLines(endless, 100_000)) lines.push(line)
    expect(lines).to.deep.equal([LINE_TOO_LONG])
    expect(process.memoryUsage().heapUsed - before).to.be.below(40_000_000)
  })

  it('a last line without an end counts', async () => {
    expect(await linesOf([new TextEncoder().encode('a\n\nb')], 10)).to.deep.equal(['a', '', 'b'])
  })
})

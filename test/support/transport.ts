import type { Suite } from 'mocha'

/** What nodes of a test talk over. `memory` is always tested; `tcp` (loopback, port 0) unless `REAL_TRANSPORT_TEST=0`. */
export type TestTransport = 'memory' | 'tcp'

export const realTransports = process.env['REAL_TRANSPORT_TEST'] !== '0'

let addresses = 0

/** Where a node of a test listens. */
export function listenOn(transport: TestTransport): string {
  return transport === 'memory' ? `/memory/test-${process.pid}-${++addresses}` : '/ip4/127.0.0.1/tcp/0'
}

/** The same suite over each transport. */
export function describeTransports(title: string, suite: (this: Suite, transport: TestTransport) => void): void {
  describe(`${title} (memory)`, function () { suite.call(this, 'memory') })
  if (!realTransports) {
    describe(`${title} (tcp)`, () => { it.skip('skipped: REAL_TRANSPORT_TEST=0 turns off what needs real sockets') })
    return
  }
  describe(`${title} (tcp)`, function () { suite.call(this, 'tcp') })
}

/** A test that needs real sockets and makes no sense over memory. */
export function itOverTcp(title: string, test: Mocha.AsyncFunc): Mocha.Test {
  return realTransports ? it(title, test) : it.skip(`${title} (skipped: REAL_TRANSPORT_TEST=0 turns off what needs real sockets)`)
}

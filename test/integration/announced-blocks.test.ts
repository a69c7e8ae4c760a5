import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { silentLogger, systemClock } from '../../src/actors/kernel/index.js'
import { wakeBy } from '../../src/actors/schedule/waking.js'
import { until } from '../support/until.js'

describe('endpoints that announce blocks', () => {
  it('L6 one that drops the connection is connected to again; what it says is not looked at; after the end, nothing is', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    const sockets: WebSocket[] = []
    const asked: string[] = []
    server.on('connection', socket => {
      sockets.push(socket)
      socket.on('message', data => { asked.push((data as Buffer).toString()) })
    })
    await new Promise(resolve => { server.once('listening', resolve) })
    const end = new AbortController()
    let woken = 0
    wakeBy([`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`], { clock: systemClock, random: () => 0, log: silentLogger, signal: end.signal }, () => { woken++ })
    try {
      const announce = (at: number): void => { sockets[at]!.send('{"jsonrpc":"2.0","method":"eth_subscription","params":{"result":{"number":"nonsense"}}}') }
      await until(() => asked.length === 1, 'it is asked to announce')
      expect(JSON.parse(asked[0]!)).deep.include({ method: 'eth_subscribe', params: ['newHeads'] })
      sockets[0]!.send('{"jsonrpc":"2.0","id":1,"result":"0x1"}')
      announce(0)
      await until(() => woken === 1, 'it wakes')
      sockets[0]!.terminate()
      await until(() => asked.length === 2, 'it is asked again')
      announce(1)
      await until(() => woken === 2, 'it wakes again')
      // larger than any header is
      sockets[1]!.send(Buffer.alloc(100_000, 'eth_subscription'))
      await until(() => asked.length === 3, 'it is dropped for that, and asked anew')
      expect(woken).equal(2)
      end.abort()
      await until(() => server.clients.size === 0, 'nobody is connected')
    } finally {
      end.abort()
      await new Promise(resolve => { server.close(resolve) })
    }
  })
})

import { connect } from 'node:net'
import { expect } from 'chai'
import { isLoopback } from '../../src/operate/guard.js'
import type { HttpDoor } from '../../src/operate/http.js'
import { head } from '../cli/stage.js'
import { describeProcesses } from '../cli/process.js'
import { until } from '../support/until.js'
import { JSON_TYPE, Operated, TOKEN, WITH_TOKEN, call, send } from './support.js'

const portOf = (door: HttpDoor): string => new URL(door.url).port

describeProcesses('operate/http', () => {
  it('what reads needs no token on loopback; what steers always does', async () => {
    const operated = new Operated()
    const door = await operated.http()
    const reads = await send(door, { method: 'POST', headers: JSON_TYPE, body: call('preconf_head') })
    expect([reads.status, JSON.parse(reads.text)]).to.deep.equal([200, { jsonrpc: '2.0', id: 1, result: { blockNumber: '5', submissionWindowEnd: '6' } }])
    for (const authorization of [undefined, 'Bearer wrong', `Basic ${TOKEN}`, `Bearer ${TOKEN}x`, `Bearer  `, TOKEN]) {
      const headers = { ...JSON_TYPE, ...authorization !== undefined && { Authorization: authorization } }
      const refused = await send(door, { method: 'POST', headers, body: call('preconf_rewind', [1]) })
      expect([refused.status, (JSON.parse(refused.text) as { error: { code: number } }).error.code], authorization).to.deep.equal([401, -32_001])
      const batch = await send(door, { method: 'POST', headers, body: `[${call('preconf_rewind', [1])},${call('opp2p_blockPeer', ['x'])}]` })
      expect((JSON.parse(batch.text) as { error: { code: number } }[]).map(({ error }) => error.code)).to.deep.equal([-32_001, -32_001])
    }
    expect(operated.rewound).to.deep.equal([])
    expect(await send(door, { method: 'POST', headers: WITH_TOKEN, body: call('preconf_rewind', [1]) })).to.have.property('status', 200)
    expect(operated.rewound).to.deep.equal([1n])
  })

  it('without a token nothing can be steered', async () => {
    const operated = new Operated()
    const door = await operated.http({ token: undefined })
    for (const headers of [JSON_TYPE, WITH_TOKEN, { ...JSON_TYPE, Authorization: 'Bearer undefined' }])
      expect(await send(door, { method: 'POST', headers, body: call('preconf_rewind', [1]) })).to.have.property('status', 401)
    expect(operated.rewound).to.deep.equal([])
  })

  it('where it is not loopback, what reads needs the token too; whether it is alive and ready does not, why does', async () => {
    const operated = new Operated({ health: async () => { throw new Error('not asked') } })
    const door = await operated.http({ host: '0.0.0.0' })
    const headers = { Host: `127.0.0.1:${portOf(door)}` }
    for (const path of ['/metrics', '/events', '/blocks?from=1', '/else']) expect(await send(door, { path, headers }), path).to.have.property('status', 401)
    expect(await send(door, { method: 'POST', headers: { ...headers, ...JSON_TYPE }, body: call('preconf_head') })).to.have.property('status', 401)
    expect(await send(door, { path: '/healthz', headers })).to.include({ status: 200 })
    expect(await send(door, { method: 'POST', headers: { ...headers, ...WITH_TOKEN }, body: call('preconf_head') })).to.have.property('status', 200)
    expect(['127.0.0.1', '127.8.8.8', '::1', 'localhost'].map(isLoopback)).to.deep.equal([true, true, true, true])
    expect(['0.0.0.0', '::', '10.0.0.1', '127.evil.example', '128.0.0.1', ''].map(isLoopback)).to.deep.equal(Array(6).fill(false))
  })

  it('a page that a browser shows cannot ask: DNS rebinding, other origins, simple requests, OPTIONS', async () => {
    const operated = new Operated()
    const door = await operated.http()
    const port = portOf(door)
    // rebinding: the page's own name leads to this machine
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', 'localhost.evil.example', 'localhost@evil.example', 'a b'])
      for (const path of ['/', '/healthz', '/metrics', '/events']) expect((await send(door, { path, method: path === '/' ? 'POST' : 'GET', headers: { ...WITH_TOKEN, Host: host }, ...path === '/' && { body: call('preconf_rewind', [1]) } })).status, `${host} ${path}`).to.be.oneOf([400, 403])
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, 'LOCALHOST'])
      expect(await send(door, { path: '/healthz', headers: { Host: host } }), host).to.have.property('status', 200)
    // another origin, also that of a sandboxed page and of another port here
    for (const origin of ['http://evil.example', 'null', 'http://127.0.0.1:1', `https://127.0.0.1:${port}`])
      expect(await send(door, { method: 'POST', headers: { ...WITH_TOKEN, Origin: origin }, body: call('preconf_rewind', [1]) }), origin).to.have.property('status', 403)
    for (const site of ['cross-site', 'same-site'])
      expect(await send(door, { path: '/metrics', headers: { 'Sec-Fetch-Site': site } }), site).to.have.property('status', 403)
    // what needs no preflight
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain; application/json', ''])
      expect(await send(door, { method: 'POST', headers: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': type }, body: call('preconf_rewind', [1]) }), type).to.have.property('status', 415)
    const preflight = await send(door, { method: 'OPTIONS', headers: { Origin: `http://127.0.0.1:${port}`, 'Access-Control-Request-Method': 'POST' } })
    expect(preflight.status).to.equal(405)
    for (const { headers } of [preflight, await send(door, { path: '/healthz' })])
      expect(Object.keys(headers).filter(name => name.startsWith('access-control'))).to.deep.equal([])
    expect(operated.rewound).to.deep.equal([])
  })

  it('sizes are bounded: bodies, headers, batches; and a body without its end holds up nothing', async () => {
    const operated = new Operated()
    const door = await operated.http()
    const large = call('preconf_rewind', ['1'.repeat(200_000)])
    expect(await send(door, { method: 'POST', headers: JSON_TYPE, body: large })).to.have.property('status', 413)
    expect(await send(door, { method: 'POST', headers: WITH_TOKEN, body: large })).to.have.property('status', 200)
    expect(await send(door, { method: 'POST', headers: WITH_TOKEN, body: 'x'.repeat(4_300_000) }).catch(() => ({ status: 413 }))).to.have.property('status', 413)
    expect(await send(door, { path: '/healthz', headers: { 'X-Long': 'x'.repeat(10_000) } })).to.have.property('status', 431)
    // chunked, so that its length is not said beforehand
    const socket = connect({ host: '127.0.0.1', port: Number(portOf(door)) })
    let said = ''
    socket.on('data', chunk => { said += String(chunk) }).on('error', () => undefined)
    socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`)
    socket.write(`${(200_000).toString(16)}\r\n${'x'.repeat(200_000)}\r\n`)
    await until(() => said.startsWith('HTTP/1.1 413'), '413 before the end of the body')
    socket.destroy()
    expect(await send(door, { path: '/healthz' })).to.have.property('status', 200)
  })

  it('wrong methods and paths', async () => {
    const door = await new Operated().http()
    for (const method of ['GET', 'PUT', 'DELETE']) expect(await send(door, { method, headers: JSON_TYPE }), method).to.have.property('status', 405)
    expect(await send(door, { path: '/healthz', method: 'POST', headers: JSON_TYPE, body: '{}' })).to.have.property('status', 405)
    for (const path of ['/etc/passwd', '//', '/metrics']) expect(await send(door, { path }), path).to.have.property('status', 404)
    expect(await send(door, { method: 'POST', headers: JSON_TYPE, body: '{"jsonrpc":"2.0","method":"preconf_head"}' })).to.have.property('status', 204)
  })

  it('events as they come; the ordered stream from a cursor that the reader brings back', async () => {
    const operated = new Operated()
    const asked: unknown[] = []
    operated.stage.node.blocks = (options: { from: unknown }) => {
      asked.push(options.from)
      return (async function * () { yield { kind: 'skipped', from: 1n, to: 4n, cursor: '4:' } as const })()
    }
    const door = await operated.http()
    const blocks = await send(door, { path: '/blocks?from=1' })
    expect(blocks.headers['content-type']).to.contain('text/event-stream')
    expect(blocks.text).to.equal('id: 4:\nevent: skipped\ndata: {"from":"1","to":"4","cursor":"4:"}\n\n')
    await send(door, { path: '/blocks?from=1', headers: { 'Last-Event-ID': '4:' } })
    expect(asked).to.deep.equal([1n, '4:'])
    expect(await send(door, { path: '/blocks' })).to.have.property('status', 400)

    const events = send(door, { path: '/events' })
    await until(() => { operated.stage.broadcast.publish(head(9n)); return operated.stage.broadcast.subscribers > 0 }, 'a subscription')
    for (let n = 0; n < 20; n++) operated.stage.broadcast.publish(head(BigInt(n)))
    operated.stage.broadcast.close()
    const { text } = await events
    expect(text).to.contain('event: head\ndata: {"blockNumber":').and.contain('event: lagged\ndata: {"count":')
  })

  it('whether it is ready is found out once for all who ask meanwhile', async () => {
    let asked = 0
    let answer!: () => void
    const answered = new Promise<void>(resolve => { answer = resolve })
    const operated = new Operated({ health: async () => { asked++; await answered; return { status: 'stopping', ailments: [], peers: 0 } as never } })
    const door = await operated.http({ host: '0.0.0.0' })
    const headers = { Host: `127.0.0.1:${portOf(door)}` }
    const all = Array.from({ length: 5 }, async () => send(door, { path: '/readyz', headers }))
    await until(() => asked > 0, 'the first')
    // an answer to what came after them: they have all arrived
    await send(door, { path: '/healthz', headers })
    answer()
    for (const { status, text } of await Promise.all(all)) expect([status, text]).to.deep.equal([503, '{"ready":false}\n'])
    expect(asked).to.be.at.most(2)
  })

  it('readers of streams are bounded in number, and end with the door', async () => {
    const operated = new Operated()
    const door = await operated.http()
    const open = Array.from({ length: 8 }, async () => send(door, { path: '/events' }).catch(() => undefined))
    await until(() => operated.stage.broadcast.subscribers === 8, '8 readers')
    expect(await send(door, { path: '/events' })).to.have.property('status', 503)
    await door.close()
    await Promise.all(open)
    await until(() => operated.stage.broadcast.subscribers === 0, 'no reader')
  })
})

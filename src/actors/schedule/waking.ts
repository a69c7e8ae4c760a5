import { WebSocket } from 'ws'
import type { Clock, Logger, Random } from '../kernel/index.js'

interface Ground { readonly clock: Clock; readonly random: Random; readonly log: Logger; readonly signal: AbortSignal }

/** Bytes of one message: a header and its envelope are far smaller. */
const MAX_MESSAGE = 64 * 1_024
/** Pauses before a lost connection is made anew, ms. */
const RETRY_FIRST = 1_000
const RETRY_LAST = 60_000

/**
 * Calls `wake` whenever one of these endpoints (`ws:`, `wss:`) announces a new block. What it says of the block is not looked at: it only
 * makes us look sooner.
 */
export function wakeBy(urls: readonly string[], ground: Ground, wake: () => void): void {
  for (const url of urls) subscribe(url, ground, wake, 0)
}

function subscribe(url: string, ground: Ground, wake: () => void, failures: number): void {
  const { clock, random, log, signal } = ground
  if (signal.aborted) return
  const { host } = new URL(url)
  const socket = new WebSocket(url, { maxPayload: MAX_MESSAGE, handshakeTimeout: 10_000, perMessageDeflate: false })
  let announced = 0
  const close = (): void => { socket.terminate() }
  signal.addEventListener('abort', close, { once: true })
  socket.on('open', () => { socket.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}') })
  socket.on('message', data => {
    if (signal.aborted || !textOf(data).includes('"eth_subscription"')) return
    announced++
    wake()
  })
  socket.on('error', error => { log.debug({ endpoint: host, error: error.message }, 'an endpoint that announces blocks has failed') })
  socket.on('close', () => {
    signal.removeEventListener('abort', close)
    if (signal.aborted) return
    const inARow = announced > 0 ? 0 : failures + 1
    const timer = clock.setTimeout(() => { signal.removeEventListener('abort', stop); subscribe(url, ground, wake, inARow) },
      Math.min(RETRY_FIRST * 2 ** inARow, RETRY_LAST) * (0.5 + random() / 2))
    const stop = (): void => { clock.clearTimeout(timer) }
    signal.addEventListener('abort', stop, { once: true })
  })
}

const textOf = (data: Buffer | ArrayBuffer | Buffer[]): string => Buffer.isBuffer(data) ? data.toString('latin1') : ''

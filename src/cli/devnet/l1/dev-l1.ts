import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { concatHex, encodeAbiParameters, encodeFunctionData, keccak256, numberToHex, parseAbi, parseAbiParameters, stringToHex } from 'viem'
import type { Hex, PostedSlot, Variant } from '../../../actors/schedule/facts.js'
import { STAND_IN_CODE } from './stand-in.js'

const EPOCH = 384
const READY_WITHIN = 20_000
const GAS = '0x1000000'

/** In the order of the stand-in's generations. */
const GENERATIONS: readonly Variant[] = ['lookahead', 'packed-lookahead', 'whitelist']

const abi = parseAbi([
  'struct LookaheadSlot { address committer; uint256 timestamp; bytes32 registrationRoot; uint256 validatorLeafIndex; }',
  'function post(uint256 epoch, LookaheadSlot[] slots)', 'function propose(bytes lookahead, bytes data)', 'function blacklist(bytes32 root)', 'function unblacklist(bytes32 root)',
  'function slash(bytes32 root)', 'function addOperator(address proposer, address sequencer, uint32 activeSince)', 'function removeOperator(address proposer)',
  'function getOperatorForCurrentEpoch() view returns (address)',
])
const lookaheadData = parseAbiParameters(['(uint256 slotIndex, bytes currLookahead, bytes nextLookahead, bytes commitmentSignature)'])

/** Where the program itself is, and not what starts it: in the package of test/l1, else on the PATH. */
export function anvilPath(): string {
  const packed = `@foundry-rs/anvil-${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}/bin/anvil${process.platform === 'win32' ? '.exe' : ''}`
  const local = fileURLToPath(new URL(`../../../../../test/l1/node_modules/${packed}`, import.meta.url))
  return existsSync(local) ? local : 'anvil'
}

/** A registration root by name. */
export const rootNamed = (name: string): Hex => keccak256(stringToHex(`operator ${name}`))

/** An L1 development chain (anvil) with the stand-in for Taiko's contracts on it; blocks are mined when told to. */
export class DevL1 {
  /** The stand-in is inbox, store and whitelist at once. */
  inbox: Hex = '0x'
  #from: Hex = '0x'
  #id = 0

  private constructor(private readonly child: ChildProcess, readonly port: number, readonly variant: Variant, readonly genesis: number) {}

  get url(): string { return `http://127.0.0.1:${this.port}/` }
  get wsUrl(): string { return `ws://127.0.0.1:${this.port}/` }

  /** Starts with a block of this time, and the contracts in the next one. @throws Error where there is no anvil, or it does not start */
  static async start({ variant = 'lookahead', time, genesis = 0 }: { readonly variant?: Variant; readonly time: number; readonly genesis?: number }): Promise<DevL1> {
    const child = spawn(anvilPath(), ['--port', '0', '--host', '127.0.0.1', '--chain-id', '31337', '--no-mining', '--timestamp', String(time), '--hardfork', 'cancun', '--disable-console-log'], { stdio: ['ignore', 'pipe', 'pipe'] })
    // also when this process is ended at once: nothing is left behind
    const kill = (): void => { child.kill('SIGKILL') }
    process.once('exit', kill)
    child.once('exit', () => { process.off('exit', kill) })
    const port = await portOf(child)
    const l1 = new DevL1(child, port, variant, genesis)
    const [account] = await l1.rpc('eth_accounts') as Hex[]
    l1.#from = account!
    const data = concatHex([`0x${STAND_IN_CODE}`, encodeAbiParameters([{ type: 'uint8' }, { type: 'uint256' }], [GENERATIONS.indexOf(variant), BigInt(genesis)])])
    const transaction = await l1.rpc('eth_sendTransaction', { from: account, data, gas: GAS })
    await l1.mine(time + 12)
    const { contractAddress } = await l1.rpc('eth_getTransactionReceipt', transaction) as { contractAddress: Hex }
    l1.inbox = contractAddress
    return l1
  }

  epochOf(time: number): number { return this.genesis + Math.floor((time - this.genesis) / EPOCH) * EPOCH }

  // ---- transactions of the next block

  post(epoch: number, slots: readonly PostedSlot[]): Promise<void> {
    if (this.variant === 'packed-lookahead') {
      const next = slots.length === 0 ? '0x' : concatHex(slots.map(({ committer, time, root }, index) => concatHex([committer, numberToHex(time, { size: 6 }), numberToHex(index, { size: 2 }), root])))
      return this.#send(encodeFunctionData({ abi, functionName: 'propose', args: [encodeAbiParameters(lookaheadData, [{ slotIndex: 0n, currLookahead: '0x', nextLookahead: next, commitmentSignature: '0x' }]), '0x'] }))
    }
    const given = slots.map(({ committer, time, root }, index) => ({ committer, timestamp: BigInt(time), registrationRoot: root, validatorLeafIndex: BigInt(index) }))
    return this.#send(encodeFunctionData({ abi, functionName: 'post', args: [BigInt(epoch), given] }))
  }

  blacklist(root: Hex): Promise<void> { return this.#send(encodeFunctionData({ abi, functionName: 'blacklist', args: [root] })) }
  unblacklist(root: Hex): Promise<void> { return this.#send(encodeFunctionData({ abi, functionName: 'unblacklist', args: [root] })) }
  slash(root: Hex): Promise<void> { return this.#send(encodeFunctionData({ abi, functionName: 'slash', args: [root] })) }
  remove(proposer: Hex): Promise<void> { return this.#send(encodeFunctionData({ abi, functionName: 'removeOperator', args: [proposer] })) }
  /** `activeSince` 0: two epochs from now on, as the contract has it. */
  add(proposer: Hex, sequencer: Hex, activeSince = 0): Promise<void> { return this.#send(encodeFunctionData({ abi, functionName: 'addOperator', args: [proposer, sequencer, activeSince] })) }

  // ---- blocks

  /** One block of this time. */
  async mine(time: number): Promise<void> {
    await this.rpc('evm_mine', time)
  }

  /** Blocks up to this time, one a slot. */
  async mineTo(time: number): Promise<void> {
    // not by `anvil_mine`: its blocks drift from the slots
    for (let next = (await this.head()).time + 12; next <= time; next += 12) await this.mine(next)
  }

  /** Replaces the newest blocks by as many empty ones, each a slot later: the first slot was missed. */
  async reorg(depth: number): Promise<void> {
    await this.rpc('anvil_rollback', depth)
    const { time } = await this.head()
    for (let block = 1; block <= depth; block++) await this.mine(time + 12 * (block + 1))
  }

  async head(): Promise<{ readonly number: number; readonly time: number; readonly hash: Hex }> {
    const { number, timestamp, hash } = await this.rpc('eth_getBlockByNumber', 'latest', false) as { number: Hex; timestamp: Hex; hash: Hex }
    return { number: Number(number), time: Number(timestamp), hash }
  }

  /** Whom the contract elects as the fallback of the present epoch. */
  async elected(): Promise<Hex> {
    const answer = await this.rpc('eth_call', { to: this.inbox, data: encodeFunctionData({ abi, functionName: 'getOperatorForCurrentEpoch' }) }, 'latest') as Hex
    return `0x${answer.slice(-40)}`
  }

  async rpc(method: string, ...params: readonly unknown[]): Promise<unknown> {
    const response = await fetch(this.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: ++this.#id, method, params }) })
    const { result, error } = await response.json() as { result?: unknown; error?: { message: string } }
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = new Promise(resolve => { this.child.once('exit', resolve) })
    this.child.kill('SIGKILL')
    await ended
  }

  async #send(data: Hex): Promise<void> { await this.rpc('eth_sendTransaction', { from: this.#from, to: this.inbox, data, gas: GAS }) }
}

/** The port that it says to listen on. */
function portOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let said = ''
    const fail = (why: string): void => {
      child.kill('SIGKILL')
      reject(new Error(`the L1 development chain (anvil) does not start: ${why}`))
    }
    const timer = setTimeout(() => { fail('it says nothing') }, READY_WITHIN)
    child.once('error', error => {
      clearTimeout(timer)
      fail((error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it is not installed. In a checkout: npm ci --prefix test/l1. Elsewhere: install Foundry, so that anvil is on the PATH' : error.message)
    })
    const ended = (code: number | null): void => { clearTimeout(timer); fail(`exit code ${code}`) }
    child.once('exit', ended)
    child.stderr?.resume()
    child.stdout?.on('data', (data: Buffer) => {
      said = (said + data.toString()).slice(-4_096)
      const port = /Listening on \S+:(\d+)/.exec(said)?.[1]
      if (port === undefined) return
      clearTimeout(timer)
      child.off('exit', ended)
      resolve(Number(port))
    })
  })
}

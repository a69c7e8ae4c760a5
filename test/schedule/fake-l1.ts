import { concatHex, decodeFunctionData, encodeAbiParameters, encodeEventTopics, encodeFunctionData, encodeFunctionResult, keccak256, numberToHex, padHex, parseAbi, parseAbiParameters, stringToHex, toEventSelector } from 'viem'
import type { Hex, Operator, PostedSlot, Variant } from '../../src/actors/schedule/facts.js'
import type { Call } from '../../src/actors/schedule/rpc.js'
import { ScheduleError } from '../../src/actors/schedule/index.js'

/**
 * Taiko's contracts on an L1 in memory, by their documents and not by our reading of them: state by block, logs, calls as of any block, and
 * reorgs. It speaks JSON-RPC as a node does.
 */
export const INBOX: Hex = `0x${'1b'.repeat(20)}`
export const STORE: Hex = `0x${'57'.repeat(20)}`
export const WHITELIST: Hex = `0x${'31'.repeat(20)}`
const CHAIN = 31_337

export const address = (name: string): Hex => `0x${keccak256(stringToHex(name)).slice(-40)}`
export const rootOf = (name: string): Hex => keccak256(stringToHex(`operator ${name}`))
/** A beacon root whose remainder by any small number is easy to say: it ends in that number. */
export const beacon = (value: number): Hex => padHex(numberToHex(value), { size: 32 })

export const operator = (name: string): Omit<Operator, 'activeSince'> => ({ proposer: address(`${name} proposes`), sequencer: address(`${name} sequences`) })
export const slot = (time: number, name: string): PostedSlot => ({ time, committer: address(name), root: rootOf(name) })

interface State {
  readonly operators: readonly Operator[]
  readonly latestActivation: number
  readonly blacklist: ReadonlyMap<Hex, { readonly at: number; readonly un: number }>
  readonly inactive: ReadonlySet<Hex>
  /** For the model: what was posted, which of the contract's state the reading does not see. */
  readonly posts: ReadonlyMap<number, readonly PostedSlot[]>
  readonly checker: Hex | undefined
}

interface FakeLog { readonly address: Hex; readonly topics: readonly Hex[]; readonly data: Hex; readonly transaction: Hex }

export interface FakeBlock {
  readonly number: number
  readonly hash: Hex
  readonly parentHash: Hex
  readonly time: number
  readonly beaconRoot: Hex
  readonly logs: readonly FakeLog[]
  readonly state: State
  readonly transactions: ReadonlyMap<Hex, { readonly to: Hex; readonly input: Hex; readonly inner?: Hex }>
}

const events = parseAbi([
  'struct LookaheadSlot { address committer; uint256 timestamp; bytes32 registrationRoot; uint256 validatorLeafIndex; }',
  'event LookaheadPosted(uint256 indexed epochTimestamp, bytes32 lookaheadHash, LookaheadSlot[] lookaheadSlots)',
  'event Blacklisted(bytes32 indexed operatorRegistrationRoot, uint48 timestamp)',
  'event Unblacklisted(bytes32 indexed operatorRegistrationRoot, uint48 timestamp)',
  'event OperatorAdded(address indexed proposer, address indexed sequencer, uint256 activeSince)',
  'event OperatorRemoved(address indexed proposer, address indexed sequencer, uint256 inactiveSince)',
])
const functions = parseAbi([
  'function getLookaheadStoreConfig() view returns (uint16, uint80, uint80)', 'function LOOKAHEAD_BUFFER_SIZE() view returns (uint256)',
  'function preconfWhitelist() view returns (address)', 'function getBlacklist(bytes32) view returns (uint48, uint48)', 'function isOperatorActive(bytes32, uint256) view returns (bool)',
  'function operatorCount() view returns (uint8)', 'function operatorMapping(uint256) view returns (address)', 'function operators(address) view returns (uint32, uint32, uint8, address)',
  'function latestActivationEpoch() view returns (uint32)', 'function getOperatorForCurrentEpoch() view returns (address)', 'function propose(bytes lookahead, bytes data)',
])
const lookaheadData = parseAbiParameters(['(uint256 slotIndex, bytes currLookahead, bytes nextLookahead, bytes commitmentSignature)'])
const slotList = parseAbiParameters(['uint256', '(address committer, uint256 timestamp, bytes32 registrationRoot, uint256 validatorLeafIndex)[]'])
export const EPOCH = 384
// by names and values that are not known to the compiler
const encodeResult = encodeFunctionResult as (what: object) => Hex
const encodeTopics = encodeEventTopics as (what: object) => Hex[]

/** What a transaction of the next block does to the contracts. */
type Change = (block: { readonly time: number; readonly number: number }, state: State) => { readonly state?: Partial<State>; readonly logs?: readonly Omit<FakeLog, 'transaction'>[]; readonly input?: Hex; readonly to?: Hex; readonly inner?: Hex }

export class FakeL1 {
  readonly blocks: FakeBlock[]
  readonly calls: string[] = []
  /** The most blocks that a request for logs may span. */
  maxRange = Infinity
  #pending: Change[] = []
  #salt = 0

  constructor(readonly variant: Variant, { time = 384 * 100, operators = [] as readonly Operator[], number = 0 } = {}) {
    const state: State = { operators, latestActivation: Math.max(0, ...operators.map(each => each.activeSince)), blacklist: new Map(), inactive: new Set(), posts: new Map(), checker: undefined }
    this.blocks = [{ number, hash: keccak256('0x00'), parentHash: padHex('0x', { size: 32 }), time, beaconRoot: beacon(0), logs: [], state, transactions: new Map() }]
  }

  get head(): FakeBlock { return this.blocks.at(-1)! }

  // ---- transactions of the next block

  post(epoch: number, slots: readonly PostedSlot[], through: 'directly' | 'wrapped' | 'inside' | 'nowhere' = 'directly'): this {
    return this.#do((_block, { posts }) => {
      // the contract refuses a second one
      if (posts.has(epoch)) return {}
      const state = { posts: new Map([...posts, [epoch, slots]]) }
      if (this.variant === 'lookahead') {
        const given = slots.map(({ committer, time, root }, index) => ({ committer, timestamp: BigInt(time), registrationRoot: root, validatorLeafIndex: BigInt(index) }))
        const hash = keccak256(encodeAbiParameters(slotList, [BigInt(epoch), given])).slice(0, 54)
        const [, ...inputs] = events[0].inputs
        return { state, logs: [{ address: STORE, topics: topicsOf('LookaheadPosted', { epochTimestamp: BigInt(epoch) }), data: encodeAbiParameters(inputs, [`${hash}${'0'.repeat(12)}` as Hex, given]) }] }
      }
      const packed = concatHex(slots.map(({ committer, time, root }, index) => concatHex([committer, numberToHex(time, { size: 6 }), numberToHex(index, { size: 2 }), root])))
      const next = slots.length === 0 ? '0x' : packed
      const hash = keccak256(concatHex([numberToHex(epoch, { size: 32 }), next])).slice(0, 54) as Hex
      const propose = encodeFunctionData({ abi: functions, functionName: 'propose', args: [encodeAbiParameters(lookaheadData, [{ slotIndex: 0n, currLookahead: '0x', nextLookahead: next, commitmentSignature: '0x' }]), '0x'] })
      const input: Hex = through === 'directly' ? propose : through === 'wrapped' ? `0xdeadbeef${'00'.repeat(31)}${propose.slice(2)}` : '0xdeadbeef'
      const topic = toEventSelector('LookaheadPosted(uint256,bytes26)')
      return { state, logs: [{ address: STORE, topics: [topic, numberToHex(epoch, { size: 32 })], data: padHex(hash, { size: 32, dir: 'right' }) }], input, to: INBOX, ...through === 'inside' && { inner: propose } }
    })
  }

  blacklist(name: string): this {
    const root = rootOf(name)
    return this.#do(({ time }, { blacklist, inactive }) => isBlacklisted(blacklist, root) ? {} : ({
      state: { blacklist: new Map([...blacklist, [root, { at: time, un: blacklist.get(root)?.un ?? 0 }]]), inactive: new Set([...inactive, root]) },
      logs: [{ address: STORE, topics: topicsOf('Blacklisted', { operatorRegistrationRoot: root }), data: encodeAbiParameters([{ type: 'uint48' }], [time]) }],
    }))
  }

  unblacklist(name: string): this {
    const root = rootOf(name)
    return this.#do(({ time }, { blacklist, inactive }) => !isBlacklisted(blacklist, root) ? {} : ({
      state: { blacklist: new Map([...blacklist, [root, { at: blacklist.get(root)?.at ?? 0, un: time }]]), inactive: new Set([...inactive].filter(each => each !== root)) },
      logs: [{ address: STORE, topics: topicsOf('Unblacklisted', { operatorRegistrationRoot: root }), data: encodeAbiParameters([{ type: 'uint48' }], [time]) }],
    }))
  }

  /** In the packed generation: slashed, say. No log of the store tells of it. */
  deactivate(name: string): this { return this.#do((_block, { inactive }) => ({ state: { inactive: new Set([...inactive, rootOf(name)]) } })) }

  add(name: string): this {
    const { proposer, sequencer } = operator(name)
    return this.#do(({ time }, { operators, latestActivation }) => {
      if (operators.some(each => each.proposer === proposer)) return {}
      const activeSince = time - time % EPOCH + 2 * EPOCH
      return {
        state: { operators: [...operators, { proposer, sequencer, activeSince }], latestActivation: Math.max(latestActivation, activeSince) },
        logs: [{ address: WHITELIST, topics: topicsOf('OperatorAdded', { proposer, sequencer }), data: encodeAbiParameters([{ type: 'uint256' }], [BigInt(activeSince)]) }],
      }
    })
  }

  remove(name: string): this {
    const { proposer, sequencer } = operator(name)
    return this.#do(({ time }, { operators }) => {
      const index = operators.findIndex(each => each.proposer === proposer)
      if (index < 0) return {}
      const left = [...operators]
      const last = left.pop()!
      if (index < left.length) left[index] = last
      return { state: { operators: left }, logs: [{ address: WHITELIST, topics: topicsOf('OperatorRemoved', { proposer, sequencer }), data: encodeAbiParameters([{ type: 'uint256' }], [BigInt(time)]) }] }
    })
  }

  moveChecker(to: Hex): this { return this.#do(() => ({ state: { checker: to } })) }

  /** A log as a foreign contract would write it, or a forger. */
  log(log: { readonly address: Hex; readonly topics: readonly Hex[]; readonly data: Hex }): this { return this.#do(() => ({ logs: [log] })) }

  mine(time = this.head.time + 12, beaconRoot = beacon(this.head.number + 1)): FakeBlock {
    const parent = this.head
    let { state } = parent
    const logs: FakeLog[] = []
    const transactions = new Map<Hex, { to: Hex; input: Hex; inner?: Hex }>()
    const number = parent.number + 1
    for (const change of this.#pending.splice(0)) {
      const transaction = keccak256(stringToHex(`${number} ${logs.length} ${this.#salt++}`))
      const done = change({ time, number }, state)
      state = { ...state, ...done.state }
      transactions.set(transaction, { to: done.to ?? STORE, input: done.input ?? '0x', ...done.inner !== undefined && { inner: done.inner } })
      for (const log of done.logs ?? []) logs.push({ ...log, transaction })
    }
    const block: FakeBlock = { number, parentHash: parent.hash, hash: keccak256(stringToHex(`${parent.hash} ${time} ${this.#salt++}`)), time, beaconRoot, logs, state, transactions }
    this.blocks.push(block)
    return block
  }

  /** Mines until a block of this time, one a slot. */
  mineTo(time: number): this {
    while (this.head.time < time) this.mine()
    return this
  }

  /** Takes back the newest blocks. */
  reorg(depth: number): readonly FakeBlock[] { return this.blocks.splice(-depth) }

  // ---- the contracts' own answers

  blacklisted(root: Hex, state = this.head.state): boolean { return isBlacklisted(state.blacklist, root) }

  /** The beacon roots contract by the loop of the whitelist, and its choice. */
  elected(epoch: number, block: FakeBlock): Operator | undefined {
    const from = epoch < 2 * EPOCH ? epoch : epoch - 2 * EPOCH
    let root: Hex = beacon(0)
    for (let time = from + 12; time <= from + 384 && time <= block.time; time += 12) {
      const found = this.blocks.find(each => each.time === time && each.number <= block.number)
      if (found !== undefined) { root = found.beaconRoot; break }
    }
    const { operators, latestActivation } = block.state
    const eligible = epoch >= latestActivation ? operators : operators.filter(({ activeSince }) => activeSince !== 0 && epoch >= activeSince)
    return eligible.length === 0 ? undefined : eligible[Number(BigInt(root) % BigInt(eligible.length))]
  }

  // ---- JSON-RPC

  readonly call: Call = async (method, params) => {
    this.calls.push(method)
    const answer = this.answer(method, params)
    // as it would come over a wire
    return JSON.parse(JSON.stringify(answer ?? null)) as unknown
  }

  answer(method: string, params: readonly unknown[]): unknown {
    switch (method) {
      case 'eth_chainId': return numberToHex(CHAIN)
      case 'eth_getBlockByNumber': return this.#header(this.#byTag(params[0] as string))
      case 'eth_getBlockByHash': return this.#header(this.blocks.find(({ hash }) => hash === params[0]))
      case 'eth_getLogs': return this.#logs(params[0] as { blockHash?: Hex; fromBlock?: Hex; toBlock?: Hex; address: readonly Hex[] })
      case 'eth_getTransactionByHash': {
        const found = this.blocks.map(each => each.transactions.get(params[0] as Hex)).find(each => each !== undefined)
        return found && { hash: params[0], to: found.to, input: found.input }
      }
      case 'debug_traceTransaction': {
        const found = this.blocks.map(each => each.transactions.get(params[0] as Hex)).find(each => each !== undefined)
        return { type: 'CALL', input: found?.input, calls: [{ type: 'STATICCALL', input: '0x' }, { type: 'CALL', input: '0x1234', calls: found?.inner === undefined ? [] : [{ type: 'CALL', input: found.inner }] }] }
      }
      case 'eth_call': return this.#call(params[0] as { to: Hex; data: Hex }, (params[1] as { blockHash: Hex }).blockHash)
      default: throw new ScheduleError('rpc_refused', `no method ${method}`, -32601)
    }
  }

  #byTag(tag: string): FakeBlock | undefined {
    if (tag === 'latest') return this.head
    if (tag === 'safe') return this.blocks.at(-Math.min(this.blocks.length, 33))
    if (tag === 'finalized') return this.blocks.at(-Math.min(this.blocks.length, 65))
    return this.blocks[Number(tag) - this.blocks[0]!.number]
  }

  #header(block: FakeBlock | undefined): unknown {
    if (block === undefined) return null
    const { number, hash, parentHash, time, beaconRoot, logs } = block
    return { number: numberToHex(number), hash, parentHash, timestamp: numberToHex(time), parentBeaconBlockRoot: beaconRoot, logsBloom: bloomOf(logs.map(each => each.address)) }
  }

  #logs({ blockHash, fromBlock, toBlock, address: addresses }: { blockHash?: Hex; fromBlock?: Hex; toBlock?: Hex; address: readonly Hex[] }): unknown {
    if (blockHash === undefined && Number(toBlock) - Number(fromBlock) >= this.maxRange) throw new ScheduleError('rpc_refused', 'the range is too large', -32602)
    const first = this.blocks[0]!.number
    const blocks = blockHash !== undefined ? this.blocks.filter(({ hash }) => hash === blockHash) : this.blocks.slice(Math.max(0, Number(fromBlock) - first), Number(toBlock) - first + 1)
    if (blockHash !== undefined && blocks.length === 0) throw new ScheduleError('rpc_refused', 'unknown block', -32000)
    return blocks.flatMap(({ number, hash, logs }) => logs.map((log, index) => ({
      address: log.address, topics: log.topics, data: log.data, blockNumber: numberToHex(number), blockHash: hash, transactionHash: log.transaction, logIndex: numberToHex(index), removed: false,
    }))).filter(log => addresses.includes(log.address))
  }

  #call({ to, data }: { to: Hex; data: Hex }, hash: Hex): Hex {
    const block = this.blocks.find(each => each.hash === hash)
    if (block === undefined) throw new ScheduleError('rpc_refused', 'header not found', -32000)
    const { state } = block
    const checker = state.checker ?? (this.variant === 'whitelist' ? WHITELIST : STORE)
    if (to === INBOX && data === '0xc3f909d4') return encodeAbiParameters([{ type: 'uint256' }, { type: 'address' }, { type: 'uint256' }], [7n, checker, 9n])
    const { functionName, args } = decodeFunctionData({ abi: functions, data }) as { functionName: string; args?: readonly unknown[] }
    const result = (value: unknown): Hex => encodeResult({ abi: functions, functionName, result: value })
    if (to === checker && this.variant !== 'whitelist') {
      if (functionName === 'getLookaheadStoreConfig' && this.variant === 'lookahead') return result([503, 1n, 1n])
      if (functionName === 'LOOKAHEAD_BUFFER_SIZE' && this.variant === 'packed-lookahead') return result(503n)
      if (functionName === 'preconfWhitelist') return result(WHITELIST)
      if (functionName === 'getBlacklist') {
        const { at, un } = state.blacklist.get(args![0] as Hex) ?? { at: 0, un: 0 }
        return result([at, un])
      }
      if (functionName === 'isOperatorActive' && this.variant === 'packed-lookahead') return result(!state.inactive.has(args![0] as Hex))
    }
    if (to === WHITELIST) {
      if (functionName === 'operatorCount') return result(state.operators.length)
      if (functionName === 'operatorMapping') return result(state.operators[Number(args![0])]?.proposer ?? padHex('0x', { size: 20 }))
      if (functionName === 'latestActivationEpoch') return result(state.latestActivation)
      if (functionName === 'operators') {
        const index = state.operators.findIndex(({ proposer }) => proposer === (args![0] as string).toLowerCase())
        return result([state.operators[index]?.activeSince ?? 0, 0, Math.max(0, index), state.operators[index]?.sequencer ?? padHex('0x', { size: 20 })])
      }
      if (functionName === 'getOperatorForCurrentEpoch') return result(this.elected(block.time - block.time % EPOCH, block)?.proposer ?? padHex('0x', { size: 20 }))
    }
    throw new ScheduleError('rpc_refused', 'execution reverted', 3)
  }

  #do(change: Change): this {
    this.#pending.push(change)
    return this
  }
}

function isBlacklisted(blacklist: State['blacklist'], root: Hex): boolean {
  const { at, un } = blacklist.get(root) ?? { at: 0, un: 0 }
  return at > un
}

const topicsOf = (eventName: string, args: Readonly<Record<string, unknown>>): readonly Hex[] => encodeTopics({ abi: events, eventName, args })

/** The bloom filter over addresses alone, as the yellow paper has it. */
function bloomOf(addresses: readonly Hex[]): Hex {
  const bits = new Uint8Array(256)
  for (const each of addresses) {
    const hash = keccak256(each, 'bytes')
    for (const pair of [0, 2, 4]) {
      const bit = ((hash[pair]! << 8) | hash[pair + 1]!) % 2_048
      bits[255 - Math.floor(bit / 8)]! |= 1 << (bit % 8)
    }
  }
  return `0x${Buffer.from(bits).toString('hex')}`
}


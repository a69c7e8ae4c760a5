/** Each operation of the module against bigint, in the checked build: random values, limbs at their bounds, and just beyond. */
import { expect } from 'chai'
import * as fc from 'fast-check'
import { CheckedModule, ELEMENT, N, P, TrapError, inverse, limbsOf, mod, valueOf } from './checked-module.js'
import { samples } from '../../support/samples.js'

const RUNS = { numRuns: samples(300) }
const LIMB_BOUND = 2n ** 29n
const TOP_BOUND = 2n ** 24n + 16n
const LANES = [0, 1, 2, 3] as const

/** Nine limbs of a magnitude: often all at the bound, or all zero, or one of them. */
const limbs = (magnitude: bigint): fc.Arbitrary<bigint[]> => {
  const limb = (bound: bigint) => fc.oneof(
    { weight: 4, arbitrary: fc.bigInt(0n, bound) }, { weight: 2, arbitrary: fc.constant(bound) }, { weight: 1, arbitrary: fc.constant(0n) },
  )
  const each = fc.tuple(...Array.from({ length: 8 }, () => limb(magnitude * LIMB_BOUND)), limb(magnitude * TOP_BOUND))
  const most = [...Array.from({ length: 8 }, () => magnitude * LIMB_BOUND), magnitude * TOP_BOUND]
  return fc.oneof({ weight: 8, arbitrary: each }, { weight: 1, arbitrary: fc.constant(most) })
}

const element = (magnitude: bigint): fc.Arbitrary<bigint[][]> => fc.array(limbs(magnitude), { minLength: 4, maxLength: 4 })

/** Numbers of the field, with those around 0, p, n and 2^256 more often than chance would have them. */
const edge = (m: bigint): fc.Arbitrary<bigint> => fc.oneof(
  fc.bigInt(0n, m - 1n), fc.bigInt(0n, 20n), fc.bigInt(0n, 20n).map(d => m - 1n - d), fc.integer({ min: 0, max: 255 }).map(bit => 2n ** BigInt(bit)),
)

describe('secp256k1 batch: arithmetic', () => {
  let module: CheckedModule
  let a = 0
  let b = 0
  let r = 0
  before(async () => {
    module = await CheckedModule.load()
    a = module.call.POINTS.value
    b = a + ELEMENT
    r = b + ELEMENT
  })

  const put = (at: number, lanes: readonly (readonly bigint[])[]): void => { lanes.forEach((each, lane) => { module.setLimbs(at, lane, each) }) }
  const spread = (at: number, values: readonly bigint[]): void => { put(at, values.map(limbsOf)) }
  const traps = (work: () => void): void => { expect(work).to.throw(TrapError) }

  describe('constants', () => {
    it('are what they are called', () => {
      for (const lane of LANES) {
        for (let k = 0; k < 5; k++) expect(module.value(module.call.MULTIPLES_OF_P.value + k * ELEMENT, lane)).to.equal(BigInt(k) * P)
        expect(module.value(module.call.ORDER.value, lane)).to.equal(N)
        expect(module.value(module.call.HALF_R_SQUARED.value, lane)).to.equal(mod(2n ** 521n, N))
        expect(module.value(module.call.OFFSET_G.value, lane)).to.equal(mod((2n ** 256n - 1n) * inverse(2n, N), N))
        expect(module.value(module.call.OFFSET_KEY.value, lane)).to.equal(mod((2n ** 261n - 1n) * inverse(2n, N), N))
      }
      for (const [at, m] of [[module.call.PRIME_MODULUS.value, P], [module.call.ORDER_MODULUS.value, N]] as const) {
        expect(module.words(at)).to.equal(m)
        expect(mod(module.view.getBigUint64(at + 32, true) * m, LIMB_BOUND)).to.equal(LIMB_BOUND - 1n)
      }
      expect(module.words(module.call.PRIME_MINUS_ORDER.value)).to.equal(P - N)
      const rounds = Array.from({ length: 24 }, (_, i) => module.view.getBigUint64(module.call.ROUND_CONSTANTS.value + 8 * i, true))
      expect(rounds.slice(0, 4)).to.deep.equal([1n, 0x8082n, 0x800000000000808an, 0x8000000080008000n])
      expect(rounds[23]).to.equal(0x8000000080008008n)
    })
  })

  describe('the field', () => {
    for (const [x, y] of [[1n, 7n], [2n, 3n], [7n, 1n], [5n, 1n], [1n, 1n]] as const) {
      it(`multiplies magnitudes ${x} and ${y}`, () => {
        fc.assert(fc.property(element(x), element(y), (p, q) => {
          put(a, p)
          put(b, q)
          module.call.multiply(r, a, b)
          for (const lane of LANES) expect(mod(module.value(r, lane), P)).to.equal(mod(valueOf(p[lane]!) * valueOf(q[lane]!), P))
          expect(module.call.magnitudeOf(r)).to.equal(Math.min(1, module.call.magnitudeOf(r)))
        }), RUNS)
      })
    }

    it('multiplies in place', () => {
      fc.assert(fc.property(element(1n), element(2n), (p, q) => {
        put(a, p)
        put(b, q)
        module.call.multiply(a, a, b)
        module.call.multiply(b, b, b)
        for (const lane of LANES) {
          expect(mod(module.value(a, lane), P)).to.equal(mod(valueOf(p[lane]!) * valueOf(q[lane]!), P))
          expect(mod(module.value(b, lane), P)).to.equal(mod(valueOf(q[lane]!) ** 2n, P))
        }
      }), RUNS)
    })

    it('squares magnitude 2', () => {
      fc.assert(fc.property(element(2n), p => {
        put(a, p)
        module.call.square(r, a)
        for (const lane of LANES) expect(mod(module.value(r, lane), P)).to.equal(mod(valueOf(p[lane]!) ** 2n, P))
      }), RUNS)
    })

    for (const [x, y] of [[1n, 1n], [2n, 2n], [3n, 3n], [5n, 1n], [4n, 2n]] as const) {
      it(`subtracts magnitude ${y} from ${x}`, () => {
        fc.assert(fc.property(element(x), element(y), (p, q) => {
          put(a, p)
          put(b, q)
          module.call.subtract(r, a, b, Number(y))
          // Exactly (y + 1)·p more: no limb went below zero.
          for (const lane of LANES) expect(module.value(r, lane)).to.equal(valueOf(p[lane]!) - valueOf(q[lane]!) + (y + 1n) * P)
          expect(module.call.magnitudeOf(r)).to.be.at.most(Number(x + y + 1n))
        }), RUNS)
      })
    }

    it('adds, doubles and normalizes', () => {
      fc.assert(fc.property(element(3n), element(4n), (p, q) => {
        put(a, p)
        put(b, q)
        module.call.addElements(r, a, b)
        for (const lane of LANES) expect(module.value(r, lane)).to.equal(valueOf(p[lane]!) + valueOf(q[lane]!))
        module.call.normalize(r)
        for (const lane of LANES) expect(mod(module.value(r, lane), P)).to.equal(mod(valueOf(p[lane]!) + valueOf(q[lane]!), P))
        expect(module.call.magnitudeOf(r)).to.be.at.most(1)
        module.call.double(r, a)
        for (const lane of LANES) expect(module.value(r, lane)).to.equal(2n * valueOf(p[lane]!))
      }), RUNS)
    })

    it('negates some lanes', () => {
      fc.assert(fc.property(element(1n), fc.nat(15), (p, lanes) => {
        put(a, p)
        module.call.negateLanes(a, lanes)
        for (const lane of LANES) {
          const value = valueOf(p[lane]!)
          expect(module.value(a, lane)).to.equal(lanes >> lane & 1 ? 2n * P - value : value)
        }
        expect(module.call.magnitudeOf(a)).to.be.at.most(2)
      }), RUNS)
    })

    it('traps in the checked build where a bound does not hold', () => {
      const most = (magnitude: bigint): bigint[][] => LANES.map(() => [...Array.from({ length: 8 }, () => magnitude * LIMB_BOUND), 0n])
      put(a, most(2n))
      put(b, most(4n))
      traps(() => { module.call.multiply(r, a, b) })
      put(a, most(3n))
      traps(() => { module.call.square(r, a) })
      traps(() => { module.call.subtract(r, a, a, 2) })
      traps(() => { module.call.subtract(r, b, a, 3) })
      traps(() => { module.call.double(r, b) })
      traps(() => { module.call.addElements(r, b, b) })
    })

    it('inverts, lane by lane, and finds a zero', () => {
      fc.assert(fc.property(fc.array(edge(P), { minLength: 4, maxLength: 4 }), values => {
        spread(a, values)
        const found = module.call.invertField(r, a)
        expect(found).to.equal(values.every(value => value !== 0n) ? 1 : 0)
        if (found === 1) for (const lane of LANES) expect(mod(module.value(r, lane) * values[lane]!, P)).to.equal(1n)
      }), RUNS)
    })

    it('inverts many with one inversion', () => {
      const lanes = fc.array(element(3n), { minLength: 1, maxLength: 20 })
      fc.assert(fc.property(lanes, elements => {
        elements.forEach((each, i) => { put(module.call.PAIRS.value + 2 * ELEMENT * i, each) })
        const zero = elements.some(each => each.some(value => mod(valueOf(value), P) === 0n))
        expect(module.call.shareInversion(elements.length)).to.equal(zero ? 0 : 1)
        if (zero) return
        for (let i = elements.length - 1; i >= 0; i--) {
          module.call.nextInverse(r, i)
          for (const lane of LANES) expect(mod(module.value(r, lane) * valueOf(elements[i]![lane]!), P)).to.equal(1n)
        }
      }), { numRuns: samples(100) })
    })
  })

  describe('scalars', () => {
    /** What `montgomery` takes: below 2^256 + 2^253, carried. */
    const scalar = fc.oneof(fc.bigInt(0n, 2n ** 256n + 2n ** 253n - 1n), edge(N), edge(2n ** 256n))
    const four = fc.array(scalar, { minLength: 4, maxLength: 4 })

    it('multiplies in Montgomery\'s form, and stays in range', () => {
      fc.assert(fc.property(four, four, (p, q) => {
        spread(a, p)
        spread(b, q)
        module.call.montgomery(r, a, b)
        for (const lane of LANES) {
          const value = module.value(r, lane)
          expect(mod(value * 2n ** 261n, N)).to.equal(mod(p[lane]! * q[lane]!, N))
          expect(value < 2n ** 256n + 2n ** 253n).to.equal(true)
          expect(module.limbs(r, lane).every(limb => limb < LIMB_BOUND)).to.equal(true)
        }
      }), RUNS)
    })

    it('inverts, lane by lane, and finds a zero', () => {
      fc.assert(fc.property(fc.array(edge(N), { minLength: 4, maxLength: 4 }), values => {
        spread(a, values)
        const found = module.call.invertScalars(r, a)
        expect(found).to.equal(values.every(value => value !== 0n) ? 1 : 0)
        if (found === 1) for (const lane of LANES) expect(mod(module.value(r, lane) * values[lane]!, N)).to.equal(1n)
      }), RUNS)
    })

    for (const [name, m] of [['p', P], ['n', N]] as const) {
      it(`inverts one number modulo ${name}, within 32 times it`, () => {
        const modulus = name === 'p' ? module.call.PRIME_MODULUS.value : module.call.ORDER_MODULUS.value
        fc.assert(fc.property(edge(m).filter(value => value > 0n), value => {
          module.setWords(module.call.W0.value, value)
          expect(module.call.invertOne(r, 2, module.call.W0.value, modulus)).to.equal(1)
          expect(mod(module.value(r, 2) * value, m)).to.equal(1n)
          expect(module.value(r, 2) < 32n * m).to.equal(true)
        }), { numRuns: samples(1_000) })
      })
    }

    it('recodes to odd digits whose sum is the scalar', () => {
      const at = module.call.SCALARS.value
      fc.assert(fc.property(edge(N), fc.integer({ min: 6, max: 13 }), (k, bits) => {
        const windows = Math.ceil(256 / bits)
        const whole = 2n ** BigInt(bits * windows) - 1n
        module.bytes.fill(0, at, at + 48)
        module.setWords(at, mod((k + whole) * inverse(2n, N), N))
        let sum = 0n
        for (let j = 0; j < windows; j++) {
          const digit = module.call.digit(at, bits * j, bits)
          const sign = module.call.signOf(digit, bits)
          const index = module.call.indexOf(digit, sign, bits)
          expect(index).to.be.within(0, 2 ** (bits - 1) - 1)
          sum += BigInt((2 * index + 1) * (sign === 0 ? 1 : -1)) << BigInt(bits * j)
        }
        expect(mod(sum, N)).to.equal(k)
      }), RUNS)
    })
  })

  describe('numbers of 256 bits', () => {
    const word = edge(2n ** 256n)

    it('are added, subtracted, compared and doubled', () => {
      const { W0: { value: x }, W1: { value: y } } = module.call
      fc.assert(fc.property(word, word, (p, q) => {
        const set = (): void => { module.setWords(x, p); module.setWords(y, q) }
        set()
        expect(module.call.isBelow(x, y)).to.equal(p < q ? 1 : 0)
        expect(module.call.addWords(x, x, y)).to.equal(p + q >> 256n)
        expect(module.words(x)).to.equal(BigInt.asUintN(256, p + q))
        set()
        expect(module.call.subtractWords(x, x, y)).to.equal(p < q ? 1n : 0n)
        expect(module.words(x)).to.equal(BigInt.asUintN(256, p - q))
        module.setWords(x, mod(p, N))
        module.call.twice(x, x, module.call.ORDER_MODULUS.value)
        expect(module.words(x)).to.equal(mod(2n * p, N))
      }), RUNS)
    })

    it('go into a lane and come back reduced, from any magnitude', () => {
      const { W0: { value: words }, PRIME_MODULUS: { value: prime }, ORDER_MODULUS: { value: order } } = module.call
      fc.assert(fc.property(word, element(7n), fc.constantFrom(0, 1, 2, 3), (value, many, lane) => {
        module.setWords(words, value)
        module.call.toLane(a, lane, words)
        expect(module.limbs(a, lane)).to.deep.equal(limbsOf(value))
        put(a, many)
        module.call.fromLane(words, a, lane, prime)
        expect(module.words(words)).to.equal(mod(valueOf(many[lane]!), P))
        module.call.fromLane(words, a, lane, order)
        expect(module.words(words)).to.equal(mod(valueOf(many[lane]!), N))
      }), RUNS)
    })

    it('are loaded four at a time from big-endian bytes', () => {
      fc.assert(fc.property(fc.array(word, { minLength: 4, maxLength: 4 }), values => {
        const at = module.call.RECORDS.value
        values.forEach((value, i) => { module.bytes.set(Buffer.from(value.toString(16).padStart(64, '0'), 'hex'), at + 128 * i) })
        module.call.loadBigEndian(a, at, 128)
        for (const lane of LANES) expect(module.limbs(a, lane)).to.deep.equal(limbsOf(values[lane]!))
      }), RUNS)
    })
  })
})

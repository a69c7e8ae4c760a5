import { expect } from 'chai'
import { supervisor, treeActor } from '../../src/actors/kernel/index.js'
import type { Ref, Supervisor, SupervisorOptions } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { find, jobber, rejection, short } from './support.js'
import type { Job } from './support.js'

const plain = { backoff: { firstMs: 100, maxMs: 1_000, factor: 2, jitter: 0 } }
const boom = { type: 'boom' } as const

describe('kernel: trees in trees', () => {
  it('K45 a sub-tree that gives up is a failed child of its parent, restarted as a whole', async () => {
    const { supervisor: own, settle, advance } = testKit()
    const log: string[] = []
    const events: string[] = []
    const tree = own('app', { ...plain, onEvent: event => events.push(...short([event])) })
    const sub = tree.tree('sub', { ...plain, maxRestarts: 0 })
    const a = sub.child('a', () => jobber(log, { name: 'a' }))
    sub.child('b', () => jobber(log, { name: 'b' }))
    await tree.start()
    void a.send(boom)
    await settle()
    void a.send({ type: 'note', n: 1 })
    await advance(100)
    expect(log.filter(line => line !== 'a note 1')).deep.equal([
      'a init', 'b init', 'a boom', 'b stop restart', 'a stop restart', 'a init', 'b init',
    ])
    expect(log).include('a note 1')
    expect(events.slice(3)).deep.equal([
      'failed app/sub/a escalate', 'escalated app/sub', 'failed app/sub restart', 'restarting app/sub 100',
      'restarted app/sub/a', 'restarted app/sub/b', 'restarted app/sub',
    ])
  })

  it('K50 trees nest, keep the order, and leave when they are stopped', async () => {
    const { supervisor: own } = testKit()
    const log: string[] = []
    const tree = own('app')
    tree.child('a', () => jobber(log, { name: 'a' }))
    const sub = tree.tree('sub', { strategy: 'one_for_all' })
    for (const name of 'bc') sub.child(name, () => jobber(log, { name }))
    tree.child('d', () => jobber(log, { name: 'd' }))
    expect(sub.path).equal('app/sub')
    expect(await rejection(sub.start())).include({ code: 'already_started' })
    await tree.start()
    expect(log.splice(0)).deep.equal(['a init', 'b init', 'c init', 'd init'])
    await sub.stop()
    expect(log.splice(0)).deep.equal(['c stop stop', 'b stop stop'])
    expect(tree.describe().children.map(child => child.name)).deep.equal(['a', 'd'])
    expect(await sub.terminated).deep.equal({ reason: 'stopped' })
    await tree.stop()
    expect(log).deep.equal(['d stop stop', 'a stop stop'])
  })

  it('K50 a sub-tree restarts with its siblings, and its mailboxes stay', async () => {
    const { supervisor: own, settle, advance } = testKit()
    const log: string[] = []
    const tree = own('app', { ...plain, strategy: 'one_for_all' })
    const a = tree.child('a', () => jobber(log, { name: 'a' }))
    const sub = tree.tree('sub')
    const b = sub.child('b', () => jobber(log, { name: 'b' }))
    await tree.start()
    void a.send(boom)
    await settle()
    expect(b.send({ type: 'note', n: 1 })).equal('ok')
    await advance(100)
    expect(log.slice(2)).deep.equal(['a boom', 'b stop restart', 'a stop restart', 'a init', 'b init', 'b note 1'])
  })

  /** An application with a whole tree as one of its actors. */
  async function embedded(options: SupervisorOptions) {
    const kit = testKit()
    const log: string[] = []
    let inner!: Supervisor
    let ref!: Ref<Job>
    const app = kit.supervisor('app', { ...plain, onEvent: event => log.push(...short([event])) })
    app.child('p2p', () => treeActor('p2p', ctx => {
      inner = supervisor('node', { ...options, under: ctx })
      ref = inner.child('a', () => jobber(log, { name: 'a' }))
      return inner
    }))
    await app.start()
    return { ...kit, app, log, inner: () => inner, ref: () => ref }
  }

  it('K51 a tree as one actor of an application: started, stopped and seen with it', async () => {
    const { app, log } = await embedded({})
    const snapshot = find(app.describe(), 'p2p')
    expect(snapshot.holds[0]).deep.include({ path: 'app/p2p/node', phase: 'running' })
    await app.stop()
    expect(log).deep.equal(['a init', 'started app/p2p', 'a stop stop', 'stopped app/p2p'])
  })

  it('K51 its escalation is that actor\'s failure, and the application decides', async () => {
    const { log, ref, inner, settle, advance } = await embedded({ maxRestarts: 0 })
    const first = inner()
    void ref().send(boom)
    await settle()
    await advance(100)
    expect((await first.terminated).reason).equal('escalated')
    expect(log.slice(2)).deep.equal([
      'a boom', 'a stop stop', 'failed app/p2p restart', 'restarting app/p2p 100', 'a init', 'restarted app/p2p',
    ])
    expect(inner() === first).equal(false)
  })

  it('K51 a tree that its owner stops ends the actor in the regular way', async () => {
    const { log, inner, settle } = await embedded({})
    await inner().stop()
    await settle()
    expect(log.slice(2, 4)).deep.equal(['a stop stop', 'failed app/p2p restart'])
  })

  it('K52 events come in order, to the tree\'s own callback and then to those above', async () => {
    const { supervisor: own, settle, advance } = testKit()
    const seen: string[] = []
    const tree = own('app', { ...plain, onEvent: event => seen.push(`app: ${short([event])[0]}`) })
    const sub = tree.tree('sub', { ...plain, onEvent: event => seen.push(`sub: ${short([event])[0]}`) })
    const a = sub.child('a', () => jobber([]))
    await tree.start()
    void a.send(boom)
    await settle()
    await advance(100)
    await tree.stop()
    const both = (...events: string[]): string[] => events.flatMap(event => [`sub: ${event}`, `app: ${event}`])
    expect(seen).deep.equal([
      ...both('started app/sub/a'), 'app: started app/sub',
      ...both('failed app/sub/a restart', 'restarting app/sub/a 100', 'restarted app/sub/a', 'stopped app/sub/a'), 'app: stopped app/sub',
    ])
  })
})

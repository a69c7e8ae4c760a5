/**
 * The arrows between the rooms (docs/architecture.md): cli → operate → service → (sync, network, discovery, chain, schedule, validator, store, reputation, sink)
 * → kernel, protocol. An actor sees of another one only its messages (`ingress.ts`) and what flows back to it (`ports.ts`).
 */
const rooms = 'validator|store|reputation|chain|network|discovery|sync|schedule|sink'

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    {
      name: 'protocol-is-pure', severity: 'error',
      comment: 'src/protocol runs in a worker and knows no actor, no libp2p and no I/O',
      from: { path: '^src/protocol/' },
      to: { path: ['^src/(?!protocol/|polyfill)', 'node_modules/(@libp2p|libp2p|piscina|comlink|classic-level|lmdb|pino)'] },
    },
    {
      name: 'kernel-knows-nothing-of-p2p', severity: 'error',
      from: { path: '^src/actors/kernel/' }, to: { path: ['^src/(?!actors/kernel/)', 'node_modules/(@libp2p|libp2p|@chainsafe)'] },
    },
    {
      name: 'rooms-meet-at-their-ingress', severity: 'error',
      comment: 'no actor imports another actor\'s inside',
      from: { path: `^src/actors/(${rooms})/` },
      to: { path: `^src/actors/(${rooms})/`, pathNot: ['^src/actors/$1/', '/(ingress|ports)\\.ts$'] },
    },
    {
      name: 'service-is-the-top', severity: 'error',
      from: { path: `^src/(actors/(${rooms}|kernel)|protocol)/` }, to: { path: '^src/(actors/service/|index|main|cli/|operate/)' },
    },
    {
      name: 'operate-is-above-the-service', severity: 'error',
      comment: 'the doors use a running node; neither the library nor its service knows of them, and they know nothing of the command line',
      from: { path: '^src/(actors/service/|index)' }, to: { path: '^src/(operate|cli)/' },
    },
    { name: 'operate-knows-no-command-line', severity: 'error', from: { path: '^src/operate/' }, to: { path: ['^src/(cli/|main|index)', 'node_modules/commander'] } },
    { name: 'metrics-only-in-operate', severity: 'error', from: { path: '^src/', pathNot: '^src/operate/metrics/' }, to: { path: 'node_modules/prom-client' } },
    {
      name: 'libp2p-only-in-network', severity: 'error',
      comment: 'the driver is the only room that imports libp2p; discovery may use its address and key types',
      from: { path: '^src/', pathNot: '^src/actors/(network|discovery)/' }, to: { path: 'node_modules/(@libp2p|libp2p|@chainsafe/libp2p|@multiformats)' },
    },
    {
      name: 'nats-only-in-its-sink-and-consumer', severity: 'error',
      comment: 'the broker\'s client is optional: whoever does without never loads it',
      from: { path: '^src/', pathNot: '^src/(actors/sink/nats|consumer)/' }, to: { path: 'node_modules/@nats-io' },
    },
    {
      name: 'consumer-needs-no-node', severity: 'error',
      comment: 'who reads a broker loads no libp2p and no store',
      from: { path: '^src/consumer/' }, to: { path: '^src/(?!consumer/|protocol/|polyfill|actors/(sink|kernel)/|actors/chain/(index|schedule))' },
    },
    { name: 'database-only-in-store', severity: 'error', from: { path: '^src/', pathNot: '^src/actors/store/' }, to: { path: 'node_modules/(classic-level|lmdb|level)' } },
    { name: 'no-test-code-in-src', severity: 'error', from: { path: '^src/' }, to: { path: '^(test|bench|examples)/' } },
    { name: 'not-unresolvable', severity: 'error', from: { path: '^src/' }, to: { couldNotResolve: true, pathNot: "^secp256k1/bindings(\\.js)?$" } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^src/protocol/secp256k1/assembly/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
  },
}

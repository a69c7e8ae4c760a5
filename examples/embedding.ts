import { P2pService, scheduleFromSigners, signerFromKey } from 'preconfirmation-p2p'

const key = '01'.repeat(32) // the preconfer's own key
const schedule = scheduleFromSigners([signerFromKey(key).address]) // who may sign, in every window
const common = { listen: '/ip4/127.0.0.1/tcp/0', schedule, confirmedTip: { blockNumber: 999n } }

const preconfer = await P2pService.start({ ...common, signing: { key, unprotected: true } })
const follower = await P2pService.start({ ...common, staticPeers: await preconfer.listenAddresses() })
for await (const event of preconfer.events) if (event.type === 'peerReady') break

const { hash } = await preconfer.publishTxList(new Uint8Array(1_000).fill(7))
const [nobody, noParent] = [new Uint8Array(20), new Uint8Array(32)]
await preconfer.publishCommitment({
  preconf: {
    eop: false, blockNumber: 1_000n, timestamp: 1_800_000_000n, gasLimit: 30_000_000n, coinbase: nobody, anchorBlockNumber: 500n, rawTxListHash: hash,
    parentPreconfirmationHash: noParent, submissionWindowEnd: BigInt(Math.ceil(Date.now() / 1_000) + 60), proverAuth: nobody, proposalId: 1n,
  },
  slasherAddress: nobody,
})
for await (const event of follower.events) {
  if (event.type === 'commitment') { console.log(`the follower accepted block ${event.blockNumber}`); break }
}
await Promise.all([follower.stop(), preconfer.stop()])

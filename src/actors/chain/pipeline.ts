import { equalBytes } from '../../protocol/bytes.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import { earlierInPage, isOwn, takeHighS } from './pending-commitment.js'
import type { PendingCommitment, Page, Proposal } from './pending-commitment.js'
import { Commitment } from './commitment.js'
import { EvidenceCollector } from './evidence.js'
import { Holding } from './holding.js'
import type { Checked, Origin } from './ingress.js'
import type { Judgement } from './ports.js'
import { LateRules } from './late-rules.js'
import { SlashingProtection } from './slashing-protection.js'
import { refusalByRules, tooLate } from './refusals.js'
import { RuleQueue } from './rules.js'
import type { Ruled } from './rules.js'
import { ScheduleCache } from './schedule-cache.js'
import type { LookedUp } from './schedule-cache.js'
import type { ChainState } from './state.js'
import { wholeOf } from './signed-ledger.js'
import type { CommitmentRecord, OwnSigned, SignedWindow } from '../store/ingress.js'
import * as outcomes from './verdicts.js'
import type { Outcome } from './verdicts.js'
import { latestWindow } from './config.js'

/**
 * The steps of a commitment to its verdict (SPEC §6):
 * 1. the worker's finding; commitments with our key are recorded, and our own checked against the ledger; cheap refusals (confirmed tip, duplicates);
 * 2. the schedule: is the signer elected? Held until that is known;
 * 3. equivocation, EOP and parent;
 * 4. refusal of what the application demoted; then the application's rules;
 * 5. all checks again, since time has passed; our own is recorded as signed; then its place in the chain.
 * Steps 1, 2 and 4 may wait without delaying other commitments. The commitments of a page take steps 1 to 4 one by one, and step 5 together,
 * in order. A commitment that we are about to sign takes all steps, but gets no place.
 */
export class CommitmentPipeline {
  readonly schedules: ScheduleCache
  readonly holding: Holding
  readonly evidence: EvidenceCollector
  readonly own: SlashingProtection
  readonly #rules: RuleQueue | undefined
  readonly #lateRules: LateRules
  readonly #pending = new Map<number, PendingCommitment>()
  /** Authenticated and not placed yet, by hash: their children need not request them. */
  readonly #underWay = new Map<string, number>()
  readonly #pages = new Set<Page>()
  #nextId = 1
  #order = 0

  constructor(private readonly state: ChainState) {
    const { outside, config } = state
    this.schedules = new ScheduleCache(outside.lookUps, config)
    this.holding = new Holding(config)
    this.evidence = new EvidenceCollector(state)
    this.own = new SlashingProtection(state)
    this.#rules = outside.rules === undefined ? undefined : new RuleQueue(outside.rules, config)
    this.#lateRules = new LateRules(state, this.#rules, () => this.#nextId++)
  }

  /** A batch of gossip, or of our own. */
  commitments(items: readonly Checked[]): void {
    for (const item of items) {
      if (item.origin.kind !== 'own') this.own.saw(item)
      const refusal = item.origin.kind === 'sync' ? outcomes.byFinding(takeHighS(item).finding) : outcomes.byFinding(item.finding)
      if (refusal !== undefined) this.#report(item.origin, { ...refusal, hash: item.hash }, false)
      else this.#step(this.#open(item.origin.kind === 'sync' ? takeHighS(item) : item, item.origin))
    }
  }

  /** A page of a range sync: judged as a whole. */
  page(peer: PeerKey, ticket: number, items: readonly Checked[]): void {
    const page: Page = {
      peer, ticket, arrivedAt: this.state.outside.monotonic(), results: new Array<Judgement | undefined>(items.length).fill(undefined),
      commitments: [], complete: false, answered: false,
    }
    this.#pages.add(page)
    for (const [at, raw] of items.entries()) {
      this.own.saw(raw)
      const item = takeHighS(raw)
      const refusal = outcomes.byFinding(item.finding)
      if (refusal !== undefined) page.results[at] = { ...refusal, hash: item.hash }
      else page.commitments.push(this.#open(item, { kind: 'page', page, at }))
    }
    for (const pending of page.commitments) this.#step(pending)
    page.complete = true
    this.#concludePage(page)
  }

  /** What we are about to sign. */
  propose({ signer, hash, ssz }: OwnSigned, origin: Proposal): void { this.#step(this.#open({ bytes: wholeOf(ssz), hash, signer }, origin)) }

  // ---- what comes back

  lookedUp(outcome: LookedUp | undefined): void {
    if (outcome === undefined) return
    const { window } = outcome
    if ('known' in outcome) {
      if (outcome.changed === true) void this.state.outside.scheduleChanges?.send({ type: 'scheduleChanged' })
      for (const pending of this.holding.waiting(window)) if (pending.waits === 'schedule') this.#goOn(pending, each => this.#step(each))
      return
    }
    if (outcome.error !== undefined) this.state.outside.event({ type: 'scheduleFailed', submissionWindowEnd: window, error: outcome.error })
    if (!this.holding.waitsFor(window)) this.schedules.drop(window)
  }

  /** Windows `from` to `to` may have another signer now: forgets their answers and judges the held commitments again. */
  scheduleChanged(from: bigint, to: bigint): void {
    this.schedules.forget(from, to)
    void this.state.outside.scheduleChanges?.send({ type: 'scheduleChanged' })
    for (const window of this.holding.windows()) this.#lookUp(window)
  }

  #lookUp(window: bigint): void {
    if (window <= this.#latestWindow) this.lookedUp(this.schedules.want(window, this.state.outside.monotonic()))
  }

  get #latestWindow(): bigint { return latestWindow(this.state.outside.wall(), this.state.config.windowHorizon) }

  ruled(id: number, answer: unknown): void { this.#afterRules(this.#rules?.answered(id, answer)) }
  rulesFailed(id: number, error: unknown): void { this.#afterRules(this.#rules?.failed(id, error)) }

  /** What was signed in a window; `undefined` if the store did not answer, and then nothing is signed for that window now. */
  signedKnown(signer: Uint8Array, window: bigint, answer: SignedWindow | undefined): void {
    this.own.known(signer, window, answer)
    for (const pending of [...this.#pending.values()]) {
      const { waits, commitment } = pending
      if (waits !== 'ledger' || commitment.window !== window || !equalBytes(commitment.signer, signer)) continue
      this.#goOn(pending, () => answer === undefined ? this.#finish(pending, outcomes.NOT_RECORDED) : this.#step(pending))
    }
  }

  recalled(id: number, record: CommitmentRecord | undefined, error: unknown): void {
    const pending = this.#awaited(id, 'recall')
    if (pending === undefined) return
    pending.recalled = true
    const refusal = error !== undefined ? outcomes.STORE_UNAVAILABLE : record?.standing === 'retired' ? outcomes.DEMOTED : undefined
    this.#goOn(pending, () => refusal === undefined ? this.#step(pending) : this.#finish(pending, refusal))
  }

  /** Time has passed. */
  tick(): void {
    const now = this.state.outside.monotonic()
    for (const outcome of this.schedules.tick(now)) this.lookedUp(outcome)
    // windows beyond the horizon may be within it now
    for (const window of this.holding.windows()) this.#lookUp(window)
    for (const ruled of this.#rules?.tick(now) ?? []) this.#afterRules(ruled)
    const { verdictWithin, holdFor, pageWithin } = this.state.config
    for (const pending of [...this.#pending.values()]) {
      const { waits } = pending
      const age = now - pending.arrivedAt
      if (pending.origin.kind === 'page' || waits === undefined || age < verdictWithin) continue
      if (pending.origin.kind !== 'gossip' || age >= holdFor) {
        this.#giveUp(pending)
      } else if (!pending.verdictGiven) {
        this.#report(pending.origin, { ...tooLate(pending, this.#latestWindow), hash: pending.commitment.hash }, false)
        pending.verdictGiven = true
      }
    }
    for (const page of this.#pages) {
      if (now - page.arrivedAt < pageWithin) continue
      for (const pending of page.commitments) if (pending.waits !== undefined) this.#giveUp(pending)
    }
  }

  /** Commitments on their way to their verdict, or to their place. */
  get open(): number { return this.#pending.size + this.#lateRules.size + this.#underWay.size + this.#pages.size }

  /** Whether a commitment of this hash is on its way to its place. */
  isUnderWay(key: string): boolean { return this.#underWay.has(key) }

  passedRules(commitment: Commitment): boolean { return this.#lateRules.passed(commitment) }

  // ---- the steps

  #open({ bytes, hash, signer }: Pick<Checked, 'bytes' | 'hash' | 'signer'>, origin: PendingCommitment['origin']): PendingCommitment {
    const from = origin.kind === 'own' || origin.kind === 'proposal' ? undefined : origin.kind === 'page' ? origin.page.peer : origin.peer
    const pending: PendingCommitment = {
      id: this.#nextId++, commitment: new Commitment({ ssz: bytes, hash, signer, from, own: isOwn({ origin }) }, this.#order++), origin,
      arrivedAt: this.state.outside.monotonic(), waits: undefined, verdictGiven: false, recalled: false,
    }
    if (origin.kind === 'own') pending.commitment.ruled = this.own.ruled(pending.commitment)
    this.#pending.set(pending.id, pending)
    return pending
  }

  #step(pending: PendingCommitment): void {
    const { memory, config, outside, rewoundTop } = this.state
    const { commitment } = pending
    const admitted = this.own.admits(pending)
    if (admitted === 'wait') { this.#wait(pending, 'ledger'); return }
    if (admitted !== 'yes') { this.#finish(pending, admitted.refusal, admitted.error); return }
    let refusal = this.#cheapRefusal(commitment)
    if (refusal !== undefined) { this.#finish(pending, refusal); return }

    const now = outside.monotonic()
    const isNear = commitment.window <= this.#latestWindow
    if (!isNear && pending.origin.kind !== 'gossip') { this.#finish(pending, outcomes.BEYOND_HORIZON); return }
    const known = isNear ? this.schedules.known(commitment.window) : undefined
    if (known === undefined) { this.#hold(pending); return }
    refusal = outcomes.notElected(commitment, known)
    // only an answer newer than the commitment may refuse it: the schedule may just have changed (H73)
    if (refusal !== undefined && known.at < pending.arrivedAt) { this.#hold(pending); return }
    if (refusal !== undefined) { this.#finish(pending, refusal); return }
    if (now - known.at > config.scheduleRefresh) this.lookedUp(this.schedules.want(commitment.window, now))

    refusal = this.#refusal(pending)
    if (refusal !== undefined) { this.#finish(pending, refusal); return }
    if (!pending.recalled && rewoundTop !== undefined && commitment.number <= rewoundTop) {
      this.#wait(pending, 'recall')
      outside.recall(pending.id, commitment.hash)
      return
    }
    if (this.#rules !== undefined && commitment.ruled === 'no') {
      const parent = memory.get(commitment.parentKey) ?? earlierInPage(pending)
      commitment.ruled = parent === undefined ? 'alone' : 'with_parent'
      this.#wait(pending, 'rules')
      const ruled = this.#rules.submit(pending.id, commitment, parent, now)
      if (ruled === 'full') this.#finish(pending, outcomes.RULES_OVERLOADED)
      else this.#afterRules(ruled)
      return
    }
    if (pending.origin.kind !== 'page') this.#conclude(pending)
  }

  /** The checks before the schedule is asked. */
  #cheapRefusal(commitment: Commitment): Outcome | undefined {
    const { tip, canon, memory } = this.state
    return outcomes.outOfReach(commitment) ?? outcomes.belowConfirmedTip(commitment, tip) ?? outcomes.tooOld(commitment, canon.bounds.floor, canon.anchor) ?? outcomes.alreadyHave(commitment, memory)
  }

  /** The checks of an elected signer's commitment against its other ones and its parent. */
  #refusal(pending: PendingCommitment): Outcome | undefined {
    const { memory, canon, config } = this.state
    const { commitment } = pending
    const own = isOwn(pending)
    const equivocation = outcomes.equivocates(commitment, memory)
    if (equivocation !== undefined) {
      if (own) return outcomes.CONFLICTING
      this.evidence.equivocation(equivocation.first, commitment)
      if (equivocation.refusal !== undefined) {
        canon.keepRival(commitment)
        return equivocation.refusal
      }
    }
    const same = outcomes.sameUnderAnother(commitment, memory)
    if (same !== undefined) return same
    const ended = outcomes.afterItsEop(commitment, memory)
    if (ended !== undefined) {
      if (own) return outcomes.AFTER_OWN_EOP
      this.evidence.misbehaviour('after_eop', commitment, [ended.end])
      return ended.refusal
    }
    const misnumbered = outcomes.misnumbered(canon.link(commitment))
    if (misnumbered !== undefined) {
      const parent = memory.get(commitment.parentKey)
      if (!own) this.evidence.misbehaviour('misnumbered', commitment, parent === undefined ? [] : [parent])
      return misnumbered
    }
    if ((pending.origin.kind === 'own' || pending.origin.kind === 'proposal') && pending.origin.behind !== true) {
      const behind = outcomes.behind(commitment, memory)
      if (behind !== undefined) return behind
    }
    return outcomes.tooManyHandovers(commitment, memory, config.maxHandoversPerHeight)
  }

  /** Places it in the chain, with all consequences. */
  #conclude(pending: PendingCommitment): void {
    const { full, canon, outside } = this.state
    const { commitment, origin } = pending
    const refusal = this.#cheapRefusal(commitment) ?? this.#refusal(pending)
    if (refusal !== undefined) { this.#finish(pending, refusal); return }
    if (full) { this.#finish(pending, origin.kind === 'gossip' ? outcomes.FORWARDED_ONLY : outcomes.STORE_BEHIND); return }
    const taken = this.own.take(pending)
    if (taken !== 'yes') { this.#finish(pending, taken.refusal, taken.error); return }
    if (origin.kind === 'proposal') { this.#finish(pending, outcomes.ACCEPTED); return }

    const { ssz, hash, signer, number, from } = commitment.keep()
    outside.event({ type: 'commitment', ssz, hash, blockNumber: number, signer, from })
    const placement = canon.place(commitment)
    this.evidence.lateEnd(commitment)
    this.#finish(pending, placement === 'canonical' ? outcomes.ACCEPTED : placement === 'pending' ? outcomes.PENDING : outcomes.ASIDE)
  }

  #concludePage(page: Page): void {
    if (!page.complete || page.answered || page.commitments.some(pending => pending.waits !== undefined && this.#pending.has(pending.id))) return
    page.answered = true
    this.#pages.delete(page)
    for (const pending of page.commitments) if (this.#pending.has(pending.id)) this.#conclude(pending)
    const { outside } = this.state
    void outside.judged.send({ type: 'judged', ticket: page.ticket, results: page.results.filter(result => result !== undefined) })
    this.state.ticketWhenDurable(outside.judged, page.ticket)
  }

  // ---- waiting

  #hold(pending: PendingCommitment): void {
    const { commitment: { window } } = pending
    if (pending.origin.kind === 'gossip' && this.holding.has(pending)) { this.#finish(pending, outcomes.DUPLICATE); return }
    this.holding.add(pending)
    this.#lookUp(window)
    // One whose schedule was answered at once takes nobody's place.
    for (const dropped of this.holding.overflow(pending)) {
      this.#finish(dropped, outcomes.NOT_HELD)
      if (!this.holding.waitsFor(dropped.commitment.window)) this.schedules.drop(dropped.commitment.window)
    }
  }

  #wait(pending: PendingCommitment, what: 'ledger' | 'recall' | 'rules'): void {
    const { key } = pending.commitment.keep()
    pending.waits = what
    this.#underWay.set(key, (this.#underWay.get(key) ?? 0) + 1)
  }

  /** It has waited for too long. */
  #giveUp(pending: PendingCommitment): void {
    const refusal = tooLate(pending, this.#latestWindow)
    const { window } = pending.commitment
    this.#goOn(pending, each => this.#finish(each, refusal))
    if (!this.holding.waitsFor(window) && this.schedules.known(window) === undefined) this.schedules.drop(window)
  }

  /** It waits no longer: it goes on, and so does its page if it was the last one waiting. */
  #goOn(pending: PendingCommitment, how: (pending: PendingCommitment) => void): void {
    this.#stopWaiting(pending)
    how(pending)
    if (pending.origin.kind === 'page') this.#concludePage(pending.origin.page)
  }

  #stopWaiting(pending: PendingCommitment): void {
    const { waits, commitment: { key } } = pending
    pending.waits = undefined
    if (waits === 'schedule') this.holding.remove(pending)
    if (waits === undefined || waits === 'schedule') return
    if (waits === 'rules') this.#rules?.drop(pending.id)
    const left = (this.#underWay.get(key) ?? 1) - 1
    if (left > 0) this.#underWay.set(key, left)
    else this.#underWay.delete(key)
  }

  #awaited(id: number, what: PendingCommitment['waits']): PendingCommitment | undefined {
    const pending = this.#pending.get(id)
    return pending?.waits === what ? pending : undefined
  }

  #afterRules(ruled: Ruled | undefined): void {
    if (ruled === undefined) return
    if (this.#lateRules.answered(ruled)) return
    const pending = this.#awaited(ruled.id, 'rules')
    if (pending === undefined) return
    const refusal = 'answer' in ruled && ruled.answer === 'accept' ? undefined : refusalByRules(ruled)
    this.#goOn(pending, () => refusal === undefined ? this.#step(pending) : this.#finish(pending, refusal))
  }

  // ---- the end

  /** @param error of the ledger, for the caller that asked whether it may be signed */
  #finish(pending: PendingCommitment, refusal: Outcome, error?: unknown): void {
    this.#stopWaiting(pending)
    this.#pending.delete(pending.id)
    const { commitment, origin, verdictGiven } = pending
    // copied, since its bytes may be a view of a buffer that is reused
    const judgement: Judgement = { ...refusal, hash: commitment.hash.slice() }
    if (refusal.verdict !== 'accept') this.#parentDidNotCome(commitment.key)
    if (origin.kind === 'page') origin.page.results[origin.at] = judgement
    else if (origin.kind === 'proposal') this.own.answer(pending, origin, refusal, error)
    else this.#report(origin, judgement, verdictGiven)
  }

  /** Reports the judgement of a commitment to its origin. @param late gossipsub already has a verdict */
  #report(origin: Origin, judgement: Judgement, late: boolean): void {
    const { outside } = this.state
    const { verdict, reason, penalty, hash, ofAuthor = false } = judgement
    const accepted = verdict === 'accept'
    if (origin.kind === 'gossip') {
      if (!late) void outside.verdicts.send({ type: 'verdict', messageId: origin.messageId, peer: origin.peer, verdict, reason, ofAuthor })
      if (accepted) void outside.outcomes.send({ type: 'report', peer: origin.peer, outcome: 'accepted' })
      else if (penalty && !late) void outside.outcomes.send({ type: 'report', peer: origin.peer, outcome: 'failure' })
    } else {
      const judged = origin.kind === 'own' ? outside.ownJudged : outside.judged
      // our own, published again: it is stored, and may be sent again
      const again = origin.kind === 'own' && reason === outcomes.DUPLICATE.reason
      void judged.send({ type: 'judged', ticket: origin.ticket, results: [again ? { ...judgement, verdict: 'accept', hash } : judgement] })
      if (accepted || again || origin.kind === 'sync') this.state.ticketWhenDurable(judged, origin.ticket)
    }
    if (!accepted && !late) {
      outside.event({ type: 'rejected', topic: 'commitments', from: origin.kind === 'own' ? undefined : origin.peer, reason, verdict })
    }
  }

  /** A parent in the pipeline was not accepted: for its waiting children it is missing now. */
  #parentDidNotCome(key: string): void {
    const { memory, canon } = this.state
    if (this.#underWay.has(key) || memory.get(key) !== undefined) return
    for (const child of memory.childrenOf(key)) if (child.standing === 'pending') { canon.askForParent(child); return }
  }
}

import type { Clock, Timer } from "../base/clock.js"
import type { Turn } from "../base/turn.js"
import { captureContext, inRootContext } from "../base/contexts.js"
import { StoreError } from "../base/errors.js"
import { channels, type LeaseEvent } from "../base/events.js"
import type { Lifetime } from "../base/lifetime.js"
import type { Outbox } from "../base/outbox.js"
import type { Entries } from "../entries/entries.js"
import type { HeldEntries } from "../entries/held-entries.js"
import type { SharedTier } from "../entries/shared-tier.js"
import type { Entry, Intake } from "../entries/table.js"
import type { CacheSettings, LeaseTerms } from "../options/settings.js"
import type { Lease, LeaseAnswer, LeaseEnd, Leases } from "../ports/leases.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { intakeOf } from "./definition.js"
import type { Elsewhere, Flight } from "./flight.js"

/** Poll interval while waiting for another node's lease, jittered to 50–100 %. Doubles after each poll without news. */
const ASK_AGAIN_MS = 1000
const ASK_AGAIN_AT_MOST_MS = 5000
/** Delay of a poll after the end of a lease: a clock's grain. */
const AFTER_END_MS = 5
/** Leaders without a result after which waiting ends: with one more each time, nodes would load one after the other. */
const USELESS_ENDS = 2

/** The answer to a question: load; the value of another node has been handed out; wait; nobody wants it any more. */
export type Verdict = "load" | "found" | "wait" | "gone"

/** The parts of a cache that waiting for other nodes needs. */
export interface LeaseContext {
  readonly settings: CacheSettings
  readonly clock: Clock
  readonly turn: Turn
  readonly trie: TagTrie
  readonly entries: Entries
  readonly shared: SharedTier | undefined
  readonly held: HeldEntries | undefined
  readonly outbox: Outbox
  readonly lifetime: Lifetime
}

export interface LeaseWaitOptions {
  readonly context: LeaseContext
  readonly leases: Leases
  readonly terms: LeaseTerms
  readonly flight: Flight
  /** The flight of the same key whose place this one has taken: its lease is this one's. */
  readonly replaced: Flight | undefined
  /** The wait asks again, as soon as there is a slot: a holder of a lease is to load, not to queue. */
  readonly onAgain: () => void
  /** Another node's value has come, fresh by the rule at this moment. */
  readonly onFound: (entry: Entry, value: unknown) => void
}

/**
 * A flight that would load its key for the whole fleet: asks for the lease, and where another node has it, waits for that
 * one's value. Ends when the flight begins, or is answered, or is given up.
 *
 * Nothing here decides about correctness. A lost lease, a lost wake-up or a silent store costs a load.
 */
export class LeaseWait implements Elsewhere {
  /** Begun for no caller: a refresh of what is served meanwhile. */
  readonly isBackground: boolean
  readonly #flight: Flight
  readonly #options: LeaseWaitOptions
  readonly #intake: Intake
  readonly #inContext = captureContext()
  #phase: "queued" | "asking" | "waiting" | "over" = "queued"
  /** Waiting is of no use any more: the time is over, or nothing would come. */
  #isSpent = false
  /** Somebody gave the lease back while this one did not wait. */
  #isWoken = false
  /** A holder among those has stored a value. */
  #isUnseen = false
  #hasRunOut = false
  /** The outcome has been told. */
  #isTold = false
  #uselessEnds = 0
  #heldForMs = 0
  #askAgainMs = ASK_AGAIN_MS
  #waitedSinceMs: number | undefined
  #deadline: Timer | undefined
  #nextAsk: Timer | undefined
  #stopWatching: (() => void) | undefined

  constructor(options: LeaseWaitOptions) {
    const { flight } = options
    const { definition, isBackground } = flight.request
    this.#options = options
    this.#flight = flight
    this.#intake = intakeOf(definition)
    this.isBackground = isBackground
  }

  get isWaiting(): boolean {
    return this.#phase === "waiting"
  }

  /**
   * Asks for the lease, and looks into the store behind it: whoever had the lease before may have stored what is missing.
   * Called with a slot, if one is needed, so that a lease is held by what runs and never by what queues for a slot.
   */
  async ask(): Promise<Verdict> {
    const { flight, replaced } = this.#options
    const { table } = flight
    if (replaced?.lease !== undefined) {
      flight.lease = replaced.lease
      replaced.lease = undefined
      return "load"
    }
    if (!this.#isOfUse) return "load"
    const key = table.keyOf(flight.id)
    this.#phase = "asking"
    this.#isWoken = false
    const wasUnseen = this.#isUnseen
    this.#isUnseen = false
    // From before the question on: what is given back between the answer and the wait would be missed.
    this.#watch(key)
    const asking = this.#acquire(key)
    const looking = flight.needsLoad ? undefined : this.#lookAndKeep()
    const [answer, looked] = await Promise.all([asking, looking])
    try {
      if (this.#isOver) return "gone"
      this.#phase = "queued"
      if (this.#isUsable(looked?.entry)) {
        this.#found(looked.entry)
        return "found"
      }
    } finally {
      looked?.letGo()
    }
    if (wasUnseen) this.#noteUselessEnd()
    if (answer === undefined) return "load"
    if ("lease" in answer) {
      table.counters.leases += 1
      this.#tell("granted")
      return "load"
    }
    if (!this.#mayWait) return "load"
    this.#heldForMs = answer.heldForMs
    return "wait"
  }

  /** The answer of the lease may come turns later. */
  async #lookAndKeep(): Promise<{ entry: Entry; letGo: () => void } | undefined> {
    const { context, flight } = this.#options
    const { shared, held } = context
    const entry = await shared?.fetch(flight.table, flight.id, this.#intake, true)
    return entry === undefined ? undefined : { entry, letGo: held?.keep(entry) ?? (() => {}) }
  }

  /** Waits for another node, and asks again when there is a reason to. */
  wait(): void {
    const { context, flight, terms } = this.#options
    if (this.#isOver) return
    if (this.#deadline === undefined) {
      flight.table.counters.leaseWaits += 1
      this.#waitedSinceMs = context.clock.now()
      this.#deadline = context.clock.setTimer(() => this.#runOut(), terms.waitMs, true)
    }
    if (this.#isWoken || !this.#mayWait) {
      this.#again()
      return
    }
    this.#phase = "waiting"
    flight.become("elsewhere")
    const soonMs = this.#askAgainMs * (0.5 + context.settings.random() / 2)
    this.#askAgainMs = Math.min(2 * this.#askAgainMs, ASK_AGAIN_AT_MOST_MS)
    this.#askIn(Math.min(soonMs, Math.max(0, this.#heldForMs) + AFTER_END_MS))
  }

  #askIn(delayMs: number): void {
    const { clock } = this.#options.context
    const isDue = delayMs <= ASK_AGAIN_MS
    // Whether waiting is still of use here, nobody has to be asked.
    const next = () => (isDue || !this.#mayWait ? this.#again() : this.#askIn(delayMs - ASK_AGAIN_MS))
    this.#nextAsk = clock.setTimer(next, isDue ? delayMs : ASK_AGAIN_MS, false)
  }

  /** Somebody wants more than another node's value, or can't wait: so it goes on at once. */
  hasten(): void {
    if (this.isWaiting) this.#again()
  }

  /** The same, whatever another node may still bring. */
  callOff(): void {
    this.#isSpent = true
    this.hasten()
  }

  /** The flight has begun, or will not. Twice is fine. */
  end(): void {
    if (this.#isOver) return
    this.#stopWaiting()
    this.#phase = "over"
    this.#deadline?.cancel()
    this.#unwatch()
    if (this.#waitedSinceMs === undefined || this.#isTold) return
    // Only now: a question that was under way when the time was over may still have found the value.
    if (this.#hasRunOut) this.#flight.table.counters.leaseTimeouts += 1
    this.#tell(this.#hasRunOut ? "timeout" : "called-off")
  }

  /** Nobody waits for the flight any more. */
  abandon(): void {
    if (this.#isOver) return
    this.end()
    giveBack(this.#flight, "failed", this.#options.context.outbox)
  }

  get #isOver(): boolean {
    return this.#phase === "over"
  }

  /** Whether a value of another node could be used. One that can't tell what is fresh had better load at once. */
  get #isOfUse(): boolean {
    const { lifetime, trie } = this.#options.context
    return !this.#isSpent && !lifetime.isOver && !this.#flight.table.isReplaced && trie.trusted !== null
  }

  /** A holder of a lease never waits for another: two that wait for each other would do so until their leases end. */
  get #mayWait(): boolean {
    return this.#isOfUse && !this.#flight.mayNotWait && !this.#flight.needsLoad
  }

  #isUsable(entry: Entry | undefined): entry is Entry {
    const { turn, trie, entries } = this.#options.context
    // Whether this process is still up to date is looked at after the last wait.
    const nowMs = turn.read()
    if (entry === undefined || this.#flight.needsLoad || trie.trusted === null) return false
    return entries.isCurrent(entry, nowMs)
  }

  /** A store by a user may fail in ways that ours don't: then nobody can tell, and nobody waits. */
  async #acquire(key: string): Promise<LeaseAnswer> {
    const { context, leases, terms } = this.#options
    const { outbox, lifetime } = context
    try {
      const answer = checked(await inRootContext(() => leases.acquire(key, terms.leaseMs)))
      if (answer === undefined || !("lease" in answer)) return answer
      // At once the flight's, whatever else it waits for: whoever ends it gives it back.
      this.#flight.lease = answer.lease
      if (!this.#isOver && !lifetime.isOver) return answer
      giveBack(this.#flight, "failed", outbox)
      return undefined
    } catch (error) {
      outbox.fault(new StoreError("lease", error), key)
      return undefined
    }
  }

  #watch(key: string): void {
    const { context, leases } = this.#options
    try {
      this.#stopWatching ??= inRootContext(() => leases.watch(key, (end) => this.#wake(end)))
    } catch (error) {
      context.outbox.fault(new StoreError("watch a lease", error), key)
    }
  }

  #unwatch(): void {
    const { context, flight } = this.#options
    try {
      this.#stopWatching?.()
    } catch (error) {
      context.outbox.fault(new StoreError("watch a lease", error), flight.key)
    }
    this.#stopWatching = undefined
  }

  #wake(end: LeaseEnd | undefined): void {
    if (this.#isOver) return
    this.#askAgainMs = ASK_AGAIN_MS
    if (end === "unwanted") this.#isSpent = true
    if (end === "failed") this.#noteUselessEnd()
    if (end === "stored" && this.#phase !== "asking") void this.#look()
    else if (this.isWaiting) this.#again()
    else {
      // In a batch others may still be asking: it will wait only then.
      this.#isWoken = true
      this.#isUnseen ||= end === "stored"
    }
  }

  /** There should be a value now: most often it is enough to read it. */
  async #look(): Promise<void> {
    const { table, id } = this.#flight
    const entry = await this.#options.context.shared?.fetch(table, id, this.#intake, true)
    if (this.#isOver) return
    if (this.#isUsable(entry)) {
      this.#found(entry)
      return
    }
    this.#noteUselessEnd()
    if (this.isWaiting) this.#again()
    else this.#isWoken = true
  }

  /** Somebody had the lease, and there is nothing to be had from it. */
  #noteUselessEnd(): void {
    this.#uselessEnds += 1
    if (this.#uselessEnds === USELESS_ENDS) this.#isSpent = true
  }

  #found(entry: Entry): void {
    // Before anybody hears of it, who may do anything, also to this entry.
    const { value } = entry
    if (this.#waitedSinceMs !== undefined) this.#flight.table.counters.leaseHits += 1
    this.#tell("found")
    this.end()
    giveBack(this.#flight, "stored", this.#options.context.outbox)
    this.#options.onFound(entry, value)
  }

  #runOut(): void {
    this.#isSpent = true
    this.#hasRunOut = true
    if (this.isWaiting) this.#again()
  }

  #again(): void {
    this.#stopWaiting()
    this.#flight.become("due")
    this.#inContext(() => this.#options.onAgain())
  }

  #stopWaiting(): void {
    this.#phase = "queued"
    this.#nextAsk?.cancel()
  }

  #tell(outcome: LeaseEvent["outcome"]): void {
    this.#isTold = true
    if (!channels.lease.hasSubscribers) return
    const { clock, outbox } = this.#options.context
    const { table, id } = this.#flight
    const waitedMs = this.#waitedSinceMs === undefined ? 0 : clock.now() - this.#waitedSinceMs
    outbox.publish(channels.lease, { ...table.event(id), outcome, waitedMs })
  }
}

/** Single flight in the whole fleet, for the loads of one cache. */
export interface Leasing {
  /** The nodes' agreement on who loads a key. */
  readonly leases: Leases
  readonly wait: (options: Omit<LeaseWaitOptions, "leases">) => LeaseWait
  readonly giveBack: typeof giveBack
}

export function leasingOf(leases: Leases): Leasing {
  return { leases, wait: (options) => new LeaseWait({ ...options, leases }), giveBack }
}

/** Gives back the lease that a flight has, if it has one: once what it stored is there for others to read. Never throws. */
function giveBack(flight: Flight, end: LeaseEnd, outbox: Outbox): void {
  const { lease } = flight
  if (lease === undefined) return
  flight.lease = undefined
  void inRootContext(() => release(lease, flight, end, outbox))
}

/** A lease that can't be given back runs out. Never rejects, whatever a store by a user does. */
async function release(lease: Lease, { key, load }: Flight, end: LeaseEnd, outbox: Outbox): Promise<void> {
  try {
    const written = load?.written
    if (written === undefined) await lease.release(end)
    // A value that the store did not take, such as one above its bound, it would not take of another node either.
    else await lease.release((await written) ? "stored" : "unwanted")
  } catch (error) {
    outbox.fault(new StoreError("release a lease", error), key)
  }
}

/** An answer as the contract has it, from a store that may not keep to it. */
function checked(answer: LeaseAnswer | null): LeaseAnswer {
  if (answer === undefined || answer === null) return undefined
  const { lease, heldForMs } = answer as { lease?: Partial<Lease> | null; heldForMs?: unknown }
  if (typeof lease?.release === "function" || (typeof heldForMs === "number" && heldForMs >= 0)) return answer
  throw new TypeError("the answer of `acquire` has neither a lease that can be released nor `heldForMs`")
}

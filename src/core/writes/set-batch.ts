import type { Clock } from "../base/clock.js"
import { after, waitFor } from "../base/waits.js"
import type { Entries } from "../entries/entries.js"
import type { SharedTier } from "../entries/shared-tier.js"
import type { RunningLoads } from "../loads/running.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { isSameEpoch, NO_VERSION, type Token, type Version } from "../tags/version.js"
import type { LatestSets, SetByHand } from "./latest-sets.js"

export interface SetsOptions {
  readonly trie: TagTrie
  readonly clock: Clock
  readonly ackTimeoutMs: number
  readonly running: RunningLoads
  readonly entries: Entries
  readonly latest: LatestSets
  /** Undefined where values stay in this process. */
  readonly shared: SharedTier | undefined
}

/** Values that were set by hand: the newest word on their keys while they wait for their version, and then on their way to the shared tier. */
export class SetsByHand {
  readonly #options: SetsOptions

  constructor(options: SetsOptions) {
    this.#options = options
  }

  batch(): SetBatch {
    return new SetBatch(this)
  }

  note(value: SetByHand): void {
    this.#options.latest.note(value)
  }

  /** The log has put a value in order; without a version where that will never be known. Adds its write, if there is one. */
  end(value: SetByHand, version: Version | undefined, writes: Promise<void>[]): void {
    const { table, id, entry } = value
    const rare = entry?.rare
    if (rare != null) {
      rare.keyVersion = version ?? NO_VERSION
      const { rivalVersion, softRivalVersion, keyVersion } = rare
      if (rivalVersion > keyVersion) this.#options.running.overrule(table, id, rivalVersion)
      else if (softRivalVersion > keyVersion) this.#options.entries.expire(table, id, softRivalVersion)
    }
    if (value.bytes !== undefined && this.#options.latest.take(value) && version !== undefined) {
      this.share(value, version, writes)
    }
  }

  /** Gives a value to the shared tier, with the version that the log gave it. */
  share({ table, id, entry, bytes, epoch, asOf }: SetByHand, version: Version, writes: Promise<void>[]): void {
    const { shared, trie } = this.#options
    if (shared === undefined || bytes === undefined || !isSameEpoch(epoch, trie.epoch)) return
    if (entry?.aging != null) shared.writes.noteWritten(entry.aging, { epoch, keyVersion: version, asOf })
    writes.push(shared.writes.putSet(table.keyOf(id), bytes, version))
  }

  /** Resolves when the shared tier has what was written, or has had as long for it as the log had. */
  untilWritten(writes: readonly Promise<void>[]): Promise<void> {
    const { clock, ackTimeoutMs } = this.#options
    const all = Promise.all(writes).then(() => {})
    return waitFor(
      all,
      after(clock, ackTimeoutMs, true, () => {}),
    )
  }
}

/**
 * Values that were set with one append. Until that is acknowledged they outrank every other word on their keys; then
 * they have its version, and go to the shared tier with it.
 */
export class SetBatch {
  readonly #sets: SetsByHand
  readonly #values: SetByHand[] = []
  readonly #writes: Promise<void>[] = []

  constructor(sets: SetsByHand) {
    this.#sets = sets
  }

  add(value: SetByHand | undefined): void {
    if (value === undefined) return
    this.#values.push(value)
    this.#sets.note(value)
  }

  /** The append has ended; without a version where that will never be known. */
  readonly end = (version: Version | undefined): void => {
    for (const value of this.#values) this.#sets.end(value, version, this.#writes)
  }

  /** Resolves like the append, when the shared tier has the values too. */
  after(appended: Promise<Token | undefined>): Promise<Token | undefined> {
    if (this.#values.every(({ bytes }) => bytes === undefined)) return appended
    return appended.then((token) => this.#sets.untilWritten(this.#writes).then(() => token))
  }
}

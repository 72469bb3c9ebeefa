import { randomName } from "../base/random-name.js"
import type { HeldEntries } from "../entries/held-entries.js"
import type { SharedTier, SharedTierOptions } from "../entries/shared-tier.js"
import type { EntryEncoder } from "../entries/stored-form.js"
import type { Leasing } from "../loads/lease-wait.js"
import type { LogClient } from "../log/log-client.js"
import { OwnClient } from "../log/own-client.js"
import type { Behaviour } from "../options/settings.js"
import { Changes, type ChangesOptions } from "./changes.js"

/** The parts of a cache that follow its log. */
export type Followed = Omit<ChangesOptions, "isLocal" | "isShared" | "keepsExpired"> & {
  readonly random: () => number
}

/** The place where invalidations come from, and what they do. */
export interface Following {
  readonly changes: Changes
  readonly client: LogClient
}

/** The parts of a cache that work with a store; undefined where it does without. */
export interface Sharing {
  readonly shared: SharedTier | undefined
  readonly encoder: EntryEncoder | undefined
  readonly leasing: Leasing | undefined
}

/** The log and the store behind the memory of a cache, and the maker of the parts that depend on them. */
export interface Backing {
  /** Entries of a store may be older than all that this process knows of the log. */
  readonly isShared: boolean
  /** The log can be looked at within a turn of the event loop. */
  readonly looksAtLog: boolean
  readonly closing: readonly (() => Promise<void> | void)[]
  hold(context: Pick<Followed, "trie" | "clock">): HeldEntries | undefined
  follow(followed: Followed): Following
  share(
    context: Omit<SharedTierOptions, "store" | "codec" | "held"> & { readonly held: HeldEntries | undefined },
  ): Sharing
  /** Throws `InvalidOptionError` where single flight is to reach further than it can. */
  checkLease(behaviour: Behaviour): void
  /** Gives up what was opened for a cache that could not be made. */
  abandon(): readonly (() => Promise<void> | void)[]
}

const NOTHING_SHARED: Sharing = Object.freeze({ shared: undefined, encoder: undefined, leasing: undefined })

/** Nothing: a cache in memory, which is a cluster of one. */
export const ALONE: Backing = Object.freeze({
  isShared: false,
  looksAtLog: false,
  closing: [],
  hold: () => undefined,
  follow: ({ random, ...followed }: Followed) => {
    const changes = new Changes({ ...followed, isLocal: true, isShared: false, keepsExpired: false })
    const { trie, clock, origin } = followed
    return { changes, client: new OwnClient({ trie, sink: changes, clock, origin, nonce: randomName(random) }) }
  },
  share: () => NOTHING_SHARED,
  checkLease: () => {},
  abandon: () => [],
})

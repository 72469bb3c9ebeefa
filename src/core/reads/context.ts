import type { Background } from "../base/background.js"
import type { Lifetime } from "../base/lifetime.js"
import type { Outbox } from "../base/outbox.js"
import type { Turn } from "../base/turn.js"
import type { Clock } from "../base/clock.js"
import type { Entries } from "../entries/entries.js"
import type { HeldEntries } from "../entries/held-entries.js"
import type { SharedTier } from "../entries/shared-tier.js"
import type { Launcher } from "../loads/launcher.js"
import type { RunningLoads } from "../loads/running.js"
import type { LogClient } from "../log/log-client.js"
import type { CacheSettings } from "../options/settings.js"
import type { TagTrie } from "../tags/tag-trie.js"

/** The parts of a cache that reading needs. */
export interface ReadContext {
  readonly settings: CacheSettings
  readonly clock: Clock
  readonly turn: Turn
  readonly trie: TagTrie
  readonly outbox: Outbox
  readonly background: Background
  readonly lifetime: Lifetime
  readonly client: LogClient
  readonly entries: Entries
  readonly held: HeldEntries | undefined
  readonly shared: SharedTier | undefined
  readonly running: RunningLoads
  readonly launcher: Launcher
}

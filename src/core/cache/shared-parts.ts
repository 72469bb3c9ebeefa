import type { HeldEntries } from "../entries/held-entries.js"
import type { SharedTier } from "../entries/shared-tier.js"
import type { EntryEncoder } from "../entries/stored-form.js"
import type { leasingOf } from "../loads/lease-wait.js"
import type { RemoteClient } from "../log/remote-client.js"

/** The parts that only a cache with a shared log, a store or a codec has. */
export interface SharedParts {
  readonly RemoteClient: typeof RemoteClient
  readonly SharedTier: typeof SharedTier
  readonly EntryEncoder: typeof EntryEncoder
  readonly HeldEntries: typeof HeldEntries
  readonly leasingOf: typeof leasingOf
}

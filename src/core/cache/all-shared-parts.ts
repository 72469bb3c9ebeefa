import { HeldEntries } from "../entries/held-entries.js"
import { SharedTier } from "../entries/shared-tier.js"
import { EntryEncoder } from "../entries/stored-form.js"
import { leasingOf } from "../loads/lease-wait.js"
import { RemoteClient } from "../log/remote-client.js"
import type { SharedParts } from "./shared-parts.js"

export const allSharedParts: SharedParts = { RemoteClient, SharedTier, EntryEncoder, HeldEntries, leasingOf }

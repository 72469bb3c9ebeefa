import { warn } from "./warn-once.js"

/**
 * State that is one per process, however often this library is loaded: as a second install, in a second version, or
 * bundled twice. The state lies on `globalThis` under a symbol that names its protocol.
 */

const COPIES = Symbol.for("zoocache.copies")

/** The protocol of each kind of state, by the copies that were loaded so far. */
type Copies = Map<string, Set<number>>

/**
 * The state of a kind, made by the first copy that asks.
 *
 * @param protocol raise it where copies of before and after can't share the state. Copies of different protocols don't see
 * each other, which the process is warned of.
 */
export function oncePerProcess<T>(kind: string, protocol: number, make: () => T): T {
  const shared = globalThis as unknown as Record<symbol, unknown>
  const copies = (shared[COPIES] ??= new Map()) as Copies
  const protocols = copies.get(kind) ?? new Set()
  const isNew = !protocols.has(protocol)
  copies.set(kind, protocols.add(protocol))
  if (isNew && protocols.size === 2) {
    warn(
      "ZOOCACHE_TWO_VERSIONS",
      `Versions of zoocache are loaded in this process that do not see each other's ${kind} (protocols ${[...protocols].join(" and ")}). ` +
        "A result of one that uses cached functions of the other would stay stale. Install one version: see `npm ls zoocache`.",
    )
  }
  const symbol = Symbol.for(`zoocache.${kind}.${protocol}`)
  return (shared[symbol] ??= make()) as T
}

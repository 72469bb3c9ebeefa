import { DuplicateNameError } from "../base/errors.js"
import { type Place, type Recurrence, recurrenceOf } from "../base/place.js"
import type { Table } from "../entries/table.js"
import type { CacheSettings } from "../options/settings.js"
import type { OpenCache } from "./open.js"

/** The form of a cached function: each form has loaders of its own, which no other can run. */
export type Form = "function" | "sync" | "many" | "method"

/** The part of a definition that changes when another copy of its function is loaded anew. */
export interface Sharing {
  table: Table
  /** Hears that it has another table. */
  onMove: (() => void) | undefined
}

/** A definition of a name, as one copy of a module makes it. */
interface Copy {
  readonly form: Form
  /** Undefined where it can't be told. */
  readonly place: Place | undefined
  readonly definition: Sharing
}

/** The definition that a name is claimed for. */
export interface Claim extends Omit<Copy, "definition"> {
  /** The name as users give it. */
  readonly name: string
  /** The name with its scope. */
  readonly whole: string
  readonly version: string | number | undefined
}

/** The copies that share a table. Functions without a name have none. */
const copies = new WeakMap<Table, Copy[]>()

/**
 * The table of a named function: one of its own; that of an earlier definition, which both share; or a new one in place
 * of an earlier one.
 *
 * @throws DuplicateNameError
 */
export function claimName(core: OpenCache, claim: Claim): Table {
  const { tables, settings, entries } = core
  const taken = tables.find(claim.whole, claim.version)
  if (taken === undefined) return tables.add(claim.whole, claim.version)
  const earlier = copies.get(taken) ?? []
  const verdict = verdictOn(claim, earlier, settings)
  if (verdict === "refuse") throw duplicateError(claim, earlier)
  if (verdict === "share") return taken
  entries.removeAll(taken)
  const table = tables.replace(taken)
  if (verdict === "renew") moveOthers(claim, earlier, table)
  return table
}

/** Takes note of a definition that has a name, so that later ones of that name can be told from it. */
export function noteCopy(definition: Sharing, { form, place }: Omit<Copy, "definition">): void {
  const sharing = copies.get(definition.table)
  const copy = { form, place, definition }
  if (sharing === undefined) copies.set(definition.table, [copy])
  else sharing.push(copy)
}

/**
 * The consequence of a definition whose name is taken. `"renew"` is to share, without what is stored, with all but the
 * earlier self of the same copy, which hot reload has left behind.
 */
function verdictOn(
  claim: Claim,
  earlier: readonly Copy[],
  { redefine, isProduction }: CacheSettings,
): "refuse" | "replace" | "share" | "renew" {
  if (redefine === "replace") return "replace"
  if (redefine === "error") return "refuse"
  const kinds = new Set(earlier.map((copy) => (copy.form === claim.form ? kindOf(claim, copy) : "unknown")))
  // A name that is defined per instance would give the values of another instance.
  if (kinds.size === 0 || kinds.has("again") || kinds.has("unknown")) return "refuse"
  if (kinds.has("reloaded")) return "renew"
  // A bundler that renames a script when it changes makes a reload look like another copy: what is stored may come from
  // the code of before. In production no code changes.
  return isProduction ? "share" : "renew"
}

/** The copies that were not loaded anew go on, with the new table: what they stored came from the code of before. */
function moveOthers(claim: Claim, earlier: readonly Copy[], table: Table): void {
  const others = earlier.filter((copy) => kindOf(claim, copy) !== "reloaded")
  for (const { definition } of others) {
    definition.table = table
    definition.onMove?.()
  }
  if (others.length > 0) copies.set(table, others)
}

function kindOf(claim: Claim, copy: Copy): Recurrence {
  return recurrenceOf(copy.place, claim.place)
}

function duplicateError(claim: Claim, earlier: readonly Copy[]): DuplicateNameError {
  const kinds = earlier.map((copy) => kindOf(claim, copy))
  const at = Math.max(
    0,
    kinds.findIndex((kind) => kind === "again" || kind === "reloaded"),
  )
  return new DuplicateNameError(claim.name, kinds[at], [claim.place, earlier[at]?.place])
}

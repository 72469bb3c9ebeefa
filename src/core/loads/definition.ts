import type { Duration } from "../base/duration.js"
import type { Intake, Table } from "../entries/table.js"
import type { Behaviour } from "../options/settings.js"
import type { Scope } from "../tags/scope.js"
import type { EntryId } from "../values/id.js"
import type { BatchOutcomes } from "./outcome.js"
import type { Run } from "./run.js"

/** The user's hooks, without their argument types: each was inferred and checked where the function was made. */
export interface Hooks {
  readonly deps: readonly string[] | ((...args: readonly unknown[]) => readonly string[]) | undefined
  readonly depsOf: ((value: unknown, ...args: readonly unknown[]) => readonly string[]) | undefined
  readonly ttl: ((value: unknown, ...args: readonly unknown[]) => Duration) | undefined
  readonly cacheIf: ((value: unknown, ...args: readonly unknown[]) => boolean) | undefined
  readonly cacheErrors:
    Duration | false | ((error: unknown, ...args: readonly unknown[]) => Duration | false) | undefined
  readonly sizeOf: ((value: unknown) => number) | undefined
  readonly validate: ((value: unknown) => boolean) | undefined
}

/** Loads of several calls at once. */
export interface BatchDefinition {
  /** How many calls one batch has at most; may be Infinity. */
  readonly max: number
  /** Runs the user's function for the arguments of several calls. */
  readonly load: (calls: readonly (readonly unknown[])[]) => Promise<BatchOutcomes>
}

/** How the results of one cached function, or of one call with a key given by hand, are made and kept. */
export interface Definition {
  readonly table: Table
  /** The view that its tags are named in. */
  readonly scope: Scope
  /** The scope of its keys, whose tag each entry depends on: a key may be known from outside of it. */
  readonly keyScope: Scope
  readonly behaviour: Behaviour
  readonly hooks: Hooks
  /** Calls of one tick are loaded together. */
  readonly batch?: BatchDefinition | undefined
  /** The id of a call; none where keys are given by hand. */
  readonly idOfCall?: (self: unknown, args: readonly unknown[]) => EntryId
  /** Runs the user's function; without a run where nothing is cached. */
  readonly load: (self: unknown, args: readonly unknown[], run: Run | undefined) => unknown
}

/** How an entry of the shared tier is taken in for a call: keys given by hand say it with each call. */
export function intakeOf({ table, behaviour, hooks }: Definition): Intake {
  if (!table.isManual) return table.intake
  return { behaviour, sizeOf: hooks.sizeOf, validate: hooks.validate, hasAbsences: false }
}

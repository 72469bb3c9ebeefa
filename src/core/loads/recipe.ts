import type { Duration } from "../base/duration.js"
import type { Flight } from "./flight.js"
import type { Order } from "./request.js"
import type { Behaviour } from "../options/settings.js"
import type { Run } from "./run.js"
import type { Scope } from "../tags/scope.js"
import type { Table } from "../entries/table.js"

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

/** How the results of one cached function, or of one call with a key given by hand, are made and kept. */
export interface Recipe {
  readonly table: Table
  readonly scope: Scope
  readonly behaviour: Behaviour
  readonly hooks: Hooks
  /** Takes a flight into a batch instead of starting it by itself. */
  readonly gather?: ((flight: Flight, order: Order) => void) | undefined
  /** Runs the user's function; without a run where nothing is cached. */
  readonly load: (self: unknown, args: readonly unknown[], run: Run | undefined) => unknown
}

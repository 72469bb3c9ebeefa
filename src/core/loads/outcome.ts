import { InvalidOptionError } from "../base/errors.js"
import { ignoreRejection, isThenable } from "../values/thenable.js"

/** The end of a load, as far as its callers are concerned. */
export interface Outcome {
  readonly isError: boolean
  readonly value: unknown
  /** A batch had nothing under this id: there is a result, but no value to ask hooks about. */
  readonly isAbsent?: boolean
}

/** A batch loader's answer, in the order of its flights. */
export class BatchOutcomes {
  readonly outcomes: readonly Outcome[]

  constructor(outcomes: readonly Outcome[]) {
    this.outcomes = outcomes
    batches.add(this)
  }
}

// Told by membership: `instanceof` would run the traps of a proxy that a loader returns.
const batches = new WeakSet<object>()

function isBatch(value: unknown): value is BatchOutcomes {
  return typeof value === "object" && value !== null && batches.has(value)
}

/** A batch answers with one outcome per flight, a single load with its value. */
export function outcomeOf(value: unknown, index: number): Outcome {
  return isBatch(value) ? (value.outcomes[index] as Outcome) : { isError: false, value }
}

/** A synchronous loader's value; a promise of one is refused. */
export function plainValue(value: unknown): unknown {
  if (!isThenable(value)) return value
  ignoreRejection(value)
  throw new InvalidOptionError(
    "loader",
    value,
    "`cacheableSync` takes functions that return their value; use `cacheable` for promises",
  )
}

import type { Frame } from "./frame.js"
import type { Engine } from "../cache/engine.js"
import type { EntryId } from "../values/id.js"
import type { Recipe } from "./recipe.js"

/** What it takes to start a load: of which key, how, and on whose behalf. */
export interface Order {
  readonly recipe: Recipe
  readonly id: EntryId
  readonly self: unknown
  readonly args: readonly unknown[]
  /** Where the caller runs; undefined for what runs in the background. */
  readonly frame: Frame | undefined
  readonly isPrivate: boolean
  /** Wants a load that begins from now on. */
  readonly isFresh: boolean
  /** Outside of the caller's async context, whatever the recipe says. */
  readonly isBackground: boolean
  /** How many loads of this key failed in a row before; for the back-off of errors that are kept. */
  readonly failures: number
}

/** How a load ended, as far as its callers are concerned. */
export interface Outcome {
  readonly isError: boolean
  readonly value: unknown
  /** A batch had nothing under this id: there is a result, but no value to ask hooks about. */
  readonly isAbsent?: boolean
}

/** Whether the code of a frame, or whoever waits for it, holds a lease. */
export function mayNotWait(frame: Frame | undefined): boolean {
  for (let at = frame; at !== undefined; at = at.parent) {
    if (at.run?.mayNotWait === true && !at.run.isSettled) return true
  }
  return false
}

/** A nested load runs on the slot of the load around it. */
export function needsSlot(order: Order, engine: Engine): boolean {
  for (let at = order.frame; at !== undefined; at = at.parent) {
    if (at.run !== undefined && at.engine === engine && !at.run.isSettled) return false
  }
  return true
}

/** What a batch loader's answer comes to, in the order of its flights. */
export class BatchOutcomes {
  readonly outcomes: readonly Outcome[]

  constructor(outcomes: readonly Outcome[]) {
    this.outcomes = outcomes
  }
}

/** A batch answers with one outcome per flight, a single load with its value. */
export function outcomeOf(value: unknown, index: number): Outcome {
  return value instanceof BatchOutcomes ? (value.outcomes[index] as Outcome) : { isError: false, value }
}

import { AsyncLocalStorage } from "node:async_hooks"
import { assert } from "../base/assert.js"
import { doPromisesPinContexts } from "../base/contexts.js"
import { oncePerProcess } from "../base/process-wide.js"

/**
 * The surroundings of running code: a run of a loader, or a transaction, and what surrounds that. Frames of all caches form
 * one chain, so that cycles across caches are seen.
 */
export interface Frame {
  readonly kind: "run" | "transaction"
  /** The cache that it belongs to, told by its trie. */
  readonly owner: object
  readonly parent: Frame | undefined
  /** Code that still has it is part of nothing any more. */
  readonly isSettled: boolean
  /** A lease is held by it, or by somebody who waits for it: what it calls may not wait for another node. */
  readonly mayNotWait: boolean
}

/** The frames of a process; all copies of this library in it share them, so that they see each other's loads. */
interface Frames {
  /** Made when the first load or transaction needs it: on some runtimes its mere use slows every promise down. */
  storage: AsyncLocalStorage<Frame | undefined> | undefined
  isEnabled: boolean
  /** How many loads and transactions are running. While there are none, nobody has to ask for a frame. */
  active: number
}

/** Raise the number where frames of before and after can't stand in one chain. */
export const frames = oncePerProcess<Frames>("frames", 1, () => ({ storage: undefined, isEnabled: false, active: 0 }))

export function enterFrame(): void {
  frames.active += 1
}

export function leaveFrame(): void {
  frames.active -= 1
  assert(frames.active >= 0, "a load or a transaction has ended twice")
}

/**
 * Switches the storage off while no load and no transaction is running: code that still has a frame then has a settled
 * one, which says nothing. The next load switches it on again. Up to Node.js 22 a storage that has been used makes every
 * promise of the process slower for as long as it is enabled.
 */
export function restContext(): void {
  if (!frames.isEnabled || frames.active !== 0 || !doPromisesPinContexts) return
  frames.isEnabled = false
  frames.storage?.disable()
}

/** The frame of the code that asks; undefined outside of loads and transactions. */
export function currentFrame(): Frame | undefined {
  return frames.active === 0 || frames.storage === undefined ? undefined : frames.storage.getStore()
}

/** Runs `run`, and everything asynchronous that it starts, in a frame. */
export function runInFrame<T>(frame: Frame | undefined, run: () => T): T {
  frames.storage ??= new AsyncLocalStorage<Frame | undefined>()
  frames.isEnabled = true
  return frames.storage.run(frame, run)
}

/** Whether the code of a frame, or whoever waits for it, holds a lease. */
export function mayNotWait(frame: Frame | undefined): boolean {
  for (let at = frame; at !== undefined; at = at.parent) if (at.mayNotWait && !at.isSettled) return true
  return false
}

/** Whether a load that begins in a frame needs a slot of its own: a nested load runs on the slot of the load around it. */
export function needsSlot(frame: Frame | undefined, owner: object): boolean {
  for (let at = frame; at !== undefined; at = at.parent) {
    if (at.kind === "run" && at.owner === owner && !at.isSettled) return false
  }
  return true
}

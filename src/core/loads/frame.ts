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
  /** The innermost transaction around it, of whichever cache: nobody has to look for it through thousands of loads. */
  readonly transaction: Frame | undefined
  /** Code that still has it is part of nothing any more. */
  readonly isSettled: boolean
  /** A run that has ended before its loader, whose code is judged by it all the same. */
  readonly isLeft?: boolean
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
  /** How many flights wait for a slot that loads of other caches wait for in turn. */
  atRisk: number
  /** How many loads begin inside each other on the stack of this moment. */
  depth: number
  /** How many loads have ended and have a loader that goes on. What it stores is judged by its frame. */
  left: number
}

/** Raise the number where frames of before and after can't stand in one chain. */
export const frames = oncePerProcess<Frames>("frames", 2, () => ({
  storage: undefined,
  isEnabled: false,
  active: 0,
  left: 0,
  atRisk: 0,
  depth: 0,
}))

export function enterFrame(): void {
  frames.active += 1
}

export function leaveFrame(): void {
  frames.active -= 1
  assert(frames.active >= 0, "a load or a transaction has ended twice")
}

/** A load has ended, and its loader goes on in its frame. */
export function frameIsLeft(): void {
  frames.left += 1
  leaveFrame()
}

/** The loader of a load that had ended before has settled. */
export function leftFrameEnds(): void {
  frames.left -= 1
  assert(frames.left >= 0, "a loader has settled twice")
}

/**
 * Switches the storage off while no load and no transaction is running: code that still has a frame then has a settled
 * one, which says nothing. The next load switches it on again. Up to Node.js 22 a storage that has been used makes every
 * promise of the process slower for as long as it is enabled.
 */
export function restContext(): void {
  if (!frames.isEnabled || frames.active !== 0 || frames.left !== 0 || !doPromisesPinContexts) return
  frames.isEnabled = false
  frames.storage?.disable()
}

/** The frame of the code that asks; undefined outside of loads and transactions. */
export function currentFrame(): Frame | undefined {
  return frames.active === 0 || frames.storage === undefined ? undefined : frames.storage.getStore()
}

/** The same, also while nothing but loaders of loads that have ended is running. */
export function frameLeftIncluded(): Frame | undefined {
  return frames.active + frames.left === 0 || frames.storage === undefined ? undefined : frames.storage.getStore()
}

/** Runs `run`, and everything asynchronous that it starts, in a frame. */
export function runInFrame<T>(frame: Frame | undefined, run: () => T): T {
  frames.storage ??= new AsyncLocalStorage<Frame | undefined>()
  frames.isEnabled = true
  return frames.storage.run(frame, run)
}

/** The innermost transaction that code is in, of whichever cache, settled or not. */
export function transactionAround(frame: Frame | undefined): Frame | undefined {
  return frame === undefined || frame.kind === "transaction" ? frame : frame.transaction
}

/** The same without what has settled: frames of the future are not to keep those of the past. */
function transactionUnderWay(frame: Frame | undefined): Frame | undefined {
  let at = transactionAround(frame)
  while (at?.isSettled === true) at = at.transaction
  return at
}

/**
 * The links of a new frame. Code that has outlived its run is part of none, and a function that starts itself again and again
 * makes no chain of all its runs.
 */
export function linksTo(frame: Frame | undefined): Pick<Frame, "parent" | "transaction"> {
  const transaction = transactionUnderWay(frame)
  let parent = frame
  while (parent?.kind === "transaction" && parent.isSettled) parent = parent.parent
  if (parent?.isSettled === true && parent.isLeft !== true) parent = undefined
  return { parent, transaction }
}

/** Whether the code of a frame, or whoever waits for it, holds a lease. A run passes it on to those that begin inside. */
export function mayNotWait(frame: Frame | undefined): boolean {
  for (let at = frame; at !== undefined; at = at.parent) if (at.kind === "run" && !at.isSettled) return at.mayNotWait
  return false
}

/**
 * Whether code runs inside a transaction that has not settled: of one cache, told by its trie, or of any, since what is read
 * there may not be committed yet.
 */
export function isInTransaction(frame: Frame | undefined, owner?: object): boolean {
  for (let at = transactionAround(frame); at !== undefined; at = at.transaction) {
    if ((owner === undefined || at.owner === owner) && !at.isSettled) return true
  }
  return false
}

/** Whether a load that begins in a frame needs a slot of its own: a nested load runs on the slot of the load around it. */
export function needsSlot(frame: Frame | undefined, owner: object): boolean {
  for (let at = frame; at !== undefined; at = at.parent) {
    if (at.kind === "run" && at.owner === owner && !at.isSettled) return false
  }
  return true
}

import { AsyncLocalStorage } from "node:async_hooks"
import type { Engine } from "../cache/engine.js"
import type { Run } from "./run.js"
import type { Transaction } from "../writes/transaction.js"

/**
 * What surrounds a piece of running code: the load that it is part of, or the transaction, and what surrounds those.
 * Frames of all caches form one chain, so that cycles across caches are seen.
 */
export interface Frame {
  readonly engine: Engine
  readonly run: Run | undefined
  readonly transaction: Transaction | undefined
  readonly parent: Frame | undefined
}

// Made when the first load or transaction needs it: on some runtimes its mere use slows every promise down.
let storage: AsyncLocalStorage<Frame | undefined> | undefined

/** How many loads and transactions are running. While there are none, nobody has to ask for a frame. */
export let activeFrames = 0

export function enterFrame(): void {
  activeFrames += 1
}

export function leaveFrame(): void {
  activeFrames -= 1
}

// Up to Node.js 22 a storage that has been used makes every promise of the process slower for as long as it is enabled.
const { node, bun, deno } = globalThis.process.versions as Record<string, string | undefined>
const isCostlyWhileIdle = bun === undefined && deno === undefined && Number.parseInt(node ?? "24", 10) < 24
let isEnabled = false

/**
 * Switches the storage off while no load and no transaction is running: code that still has a frame then has a settled
 * one, which says nothing. The next load switches it on again.
 */
export function restContext(): void {
  if (!isEnabled || activeFrames !== 0 || !isCostlyWhileIdle) return
  isEnabled = false
  storage?.disable()
}

/** The frame of the code that asks; undefined outside of loads and transactions. */
export function currentFrame(): Frame | undefined {
  return activeFrames === 0 || storage === undefined ? undefined : storage.getStore()
}

/** Runs `run`, and everything asynchronous that it starts, in a frame. */
export function runInFrame<T>(frame: Frame | undefined, run: () => T): T {
  storage ??= new AsyncLocalStorage<Frame | undefined>()
  isEnabled = true
  return storage.run(frame, run)
}

/** A function that runs others in the async context of this moment, whoever calls it and whenever. */
export function captureContext(): <T>(run: () => T) => T {
  return AsyncLocalStorage.snapshot()
}

/**
 * The run of a loader, of one cache or of any, that the running code is part of. Code that outlives its run, a timer say, is
 * part of none: what it does can't change a result that was handed out.
 */
export function runOf(frame: Frame | undefined, engine?: Engine): Run | undefined {
  for (let at = frame; at !== undefined; at = at.parent) {
    if (at.run === undefined) continue
    if (at.run.isSettled) return undefined
    if (engine === undefined || at.engine === engine) return at.run
  }
  return undefined
}

/** Runs code in the async context of whoever loaded this module: that of nobody's request. */
export const inRootContext = captureContext()

/** The innermost transaction of a cache that has not settled. */
export function transactionOf(frame: Frame | undefined, engine: Engine): Transaction | undefined {
  for (let at = frame; at !== undefined; at = at.parent) {
    if (at.transaction !== undefined && at.engine === engine && !at.transaction.isSettled) return at.transaction
  }
  return undefined
}

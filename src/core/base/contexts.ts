import { AsyncLocalStorage, AsyncResource } from "node:async_hooks"

/** Runs code in an async context. */
export type RunInContext = <T>(run: () => T) => T

/** A function that runs others in the async context of this moment, whoever calls it and whenever. */
export function captureContext(): RunInContext {
  return AsyncLocalStorage.snapshot()
}

// Up to Node.js 22 a resource notes the value of each storage under a symbol of the first name; from 24 on it notes all of
// them in one frame, under a symbol of the second.
const CONTEXT_SYMBOLS = new Set(["kResourceStore", "context_frame"])

const root = emptied(new AsyncResource("ZOOCACHE", { requireManualDestroy: true }))

/**
 * Runs code in the root context: that of nobody's request. Promises, timers, sockets and listeners that outlive a call are
 * made there, so that they keep no request's data alive and hand it to no other request.
 *
 * Node.js documents no way to reach it. A resource that was made here is emptied of what it took over from the code that
 * happened to load this module. Where that can't be done (Bun, Deno), the root is the context of that code: the docs say to
 * import this library at the top level.
 */
export const inRootContext: RunInContext = (run) => root.runInAsyncScope(run)

/** Whether a promise keeps alive the context in which it was made: up to Node.js 22, where it is noted on the promise. */
export const doPromisesPinContexts = nodeMajor() < 24

function emptied(resource: AsyncResource): AsyncResource {
  const noted = resource as unknown as Record<symbol, unknown>
  for (const symbol of Object.getOwnPropertySymbols(resource)) {
    if (CONTEXT_SYMBOLS.has(symbol.description ?? "")) noted[symbol] = undefined
  }
  return resource
}

function nodeMajor(): number {
  const { node, bun, deno } = globalThis.process.versions as Record<string, string | undefined>
  return bun === undefined && deno === undefined && node !== undefined ? Number.parseInt(node, 10) : Infinity
}

import { AsyncLocalStorage, AsyncResource } from "node:async_hooks"

/** Runs code in an async context. */
export type RunInContext = <T>(run: () => T) => T

/** A function that runs others in the async context of this moment, whoever calls it and whenever. */
export function captureContext(): RunInContext {
  return AsyncLocalStorage.snapshot()
}

/**
 * Whether a promise keeps alive the context in which it was made. So it is where contexts are noted on promises by async
 * hooks: in Node.js up to 22, and later with `--no-async-context-frame`. By the feature, since flags move the boundary.
 */
export const doPromisesPinContexts = "_propagate" in AsyncLocalStorage.prototype

// The properties in which resources note contexts. Async hooks note the value of each storage, under the first name, or
// from Node.js 24 on the second; without them there is one frame for all storages.
const CONTEXT_SYMBOLS = new Set(["kResourceStore", "kAsyncLocalStorageContext", "context_frame"])

const shared = emptiedResource()
/** The resources of nested root contexts, by their depth. */
const roots: AsyncResource[] = []
let depth = 0

/**
 * Runs code in the root context: that of nobody's request. Promises, timers, sockets and listeners that outlive a call are
 * made there, so that they keep no request's data alive and hand it to no other request.
 *
 * Node.js documents no way to reach it. A resource that was made here is emptied of what it took over from the code that
 * happened to load this module. Where that can't be done (Bun, Deno), the root is the context of that code: the docs say to
 * import this library at the top level.
 */
export const inRootContext: RunInContext = doPromisesPinContexts
  ? inResourceOfDepth
  : (run) => shared.runInAsyncScope(run)

/** The same, in a third of the time, for what calls no code of others: a promise or a timer of the platform. */
export const makeInRoot: RunInContext = (make) => shared.runInAsyncScope(make)

/**
 * With async hooks, code that runs in a resource writes its contexts to it. So the root within a root is another resource,
 * and `enterWith`, which has no end of its own, is taken back.
 */
function inResourceOfDepth<T>(run: () => T): T {
  const root = (roots[depth] ??= emptiedResource())
  depth += 1
  try {
    return root.runInAsyncScope(run)
  } finally {
    depth -= 1
    empty(root)
  }
}

function emptiedResource(): AsyncResource {
  const resource = new AsyncResource("ZOOCACHE", { requireManualDestroy: true })
  empty(resource)
  return resource
}

function empty(resource: AsyncResource): void {
  const noted = resource as unknown as Record<symbol, unknown>
  for (const symbol of Object.getOwnPropertySymbols(resource)) {
    if (CONTEXT_SYMBOLS.has(symbol.description ?? "")) noted[symbol] = undefined
  }
}

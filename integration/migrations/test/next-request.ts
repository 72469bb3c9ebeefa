/** What Next.js puts around a route handler, as far as `unstable_cache` and `revalidateTag` need it. */
import { AsyncLocalStorage } from "node:async_hooks"
import { createRequire } from "node:module"

// Next.js makes it global before it loads anything of its own.
Object.assign(globalThis, { AsyncLocalStorage })
const load = createRequire(import.meta.url)

interface WorkStore {
  readonly route: string
  readonly incrementalCache: unknown
}

const { workAsyncStorage } = load("next/dist/server/app-render/work-async-storage.external.js") as {
  workAsyncStorage: AsyncLocalStorage<WorkStore>
}
const { IncrementalCache } = load("next/dist/server/lib/incremental-cache/index.js") as {
  IncrementalCache: new (options: object) => unknown
}
const { executeRevalidates } = load("next/dist/server/revalidation-utils.js") as {
  executeRevalidates: (store: WorkStore) => false | Promise<void>
}
const { nodeFs } = load("next/dist/server/lib/node-fs-methods.js") as { nodeFs: object }

/** The cache of `next start`, in memory alone. */
const incrementalCache = new IncrementalCache({
  fs: nodeFs,
  dev: false,
  flushToDisk: false,
  minimalMode: false,
  serverDistDir: "/nowhere",
  requestHeaders: {},
  maxMemoryCacheSize: 50 * 2 ** 20,
  fetchCacheKeyPrefix: "",
  previewProps: { previewModeId: "preview" },
  prerenderManifest: { routes: {}, dynamicRoutes: {}, preview: {} },
})

/** Runs a route handler, and what it has left to do when it has answered. */
export async function inRequest<T>(handler: () => Promise<T>): Promise<T> {
  const store: WorkStore = { route: "/api", incrementalCache }
  const answer = await workAsyncStorage.run(store, handler)
  await executeRevalidates(store)
  return answer
}

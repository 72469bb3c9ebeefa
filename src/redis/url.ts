import type { Backend } from "../core/ports/backend.js"
import type { BackendUrls } from "../core/ports/backend-urls.js"
import { redis } from "./backend.js"

/**
 * The backend of `redis://` or `rediss://`, as {@link redis} takes it. With `busUrl`, invalidations go to that server instead;
 * with nothing but `busUrl`, entries stay in memory.
 */
export function redisOfUrls({ storageUrl, busUrl }: BackendUrls): Backend {
  if (storageUrl === undefined) return redis({ url: busUrl, entries: false })
  if (busUrl === undefined || busUrl === storageUrl) return redis({ url: storageUrl })
  return redis({ url: storageUrl, logUrl: busUrl })
}

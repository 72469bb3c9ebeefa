/** One type contract: what LMDB brings back is what memory would have given. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "vitest"
import { createCache } from "zoocache"
import { lmdb } from "zoocache/lmdb"
import { valueConformance } from "zoocache/testing"
import { patientCache } from "../support/patience.js"

valueConformance({
  test: (name, body) => test(name, body),
  make: async (options) => {
    const path = mkdtempSync(join(tmpdir(), "zoocache-values-"))
    const backend = lmdb({ path })
    const cache = createCache({ ...patientCache, ...options, backend })
    const reader = createCache({ ...patientCache, ...options, backend, memory: false })
    await Promise.all([cache.ready(), reader.ready()])
    return { cache, reader, cleanUp: () => rmSync(path, { recursive: true, force: true }) }
  },
})

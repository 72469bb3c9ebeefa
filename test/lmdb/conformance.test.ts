import { rmSync } from "node:fs"
import { join } from "node:path"
import { afterEach, describe, test } from "vitest"
import { logConformance, storeConformance } from "../../src/testing/index.js"
import { cleanUp, NOWHERE, openBackend, temporaryDirectory } from "./support/backends.js"

afterEach(cleanUp)

describe("the log of LMDB", () => {
  logConformance({
    test,
    make: ({ maxTags }) => {
      const path = join(temporaryDirectory(), "cache")
      const options = maxTags === undefined ? {} : { maxTags, maxKeys: maxTags }
      const { log } = openBackend(path, options)
      const other = openBackend(path, options).log
      return { log, other, loseHistory: () => rmSync(path, { recursive: true }) }
    },
  })
})

describe("the store of LMDB", () => {
  storeConformance({
    test,
    make: async () => {
      const path = temporaryDirectory()
      const { store, codec, log } = openBackend(path)
      const other = openBackend(path).store
      let { epoch } = await log.pull(NOWHERE)
      return {
        store,
        other,
        codec,
        epoch,
        nextVersion: async () => (await log.append([{ kind: "tag", path: "t" }], NOWHERE, "test")).version,
        beginEpoch: async () => {
          const position = { epoch: { ordinal: epoch.ordinal + 10, nonce: "later" }, cursor: 0 }
          ;({ epoch } = await log.append([{ kind: "tag", path: "t" }], position, "test"))
          return epoch
        },
      }
    },
  })
})

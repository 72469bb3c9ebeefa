import { describe, expect, test } from "vitest"
import * as zoocache from "zoocache"
import { makeCache } from "../support/caches.js"
import { withReflectMetadata } from "../support/reflect-metadata.js"

const both = [
  ["a cache", () => makeCache().cache],
  ["the default cache", () => zoocache],
] as const

describe.each(both)("@cacheable of %s, as a standard decorator", (_of, make) => {
  test("keeps metadata and own properties of the method, its name and its number of parameters", async () => {
    await withReflectMetadata(async (metadata) => {
      const cache: Pick<zoocache.Cache, "cacheable"> = make()
      function guarded(method: object): void {
        metadata.defineMetadata("guards", ["Admin"], method)
        Object.assign(method, { description: "one user" })
      }
      class Controller {
        @cache.cacheable()
        @guarded
        async user(id: number, _locale: string): Promise<number> {
          return id
        }
      }
      const { user } = Controller.prototype
      expect(Object.assign({}, user, { name: user.name, length: user.length })).toEqual({
        name: "user",
        length: 2,
        description: "one user",
      })
      expect(metadata.getOwnMetadata("guards", user)).toEqual(["Admin"])
      expect(await new Controller().user(1, "en")).toBe(1)
    })
  })
})

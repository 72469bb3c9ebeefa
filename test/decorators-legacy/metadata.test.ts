import { describe, expect, test } from "vitest"
import * as zoocache from "zoocache"
import { makeCache } from "../support/caches.js"
import { type Metadata, withReflectMetadata } from "../support/reflect-metadata.js"

type Decorate = (target: object, name: string, descriptor: PropertyDescriptor) => void

/** Notes something on the method as NestJS does: as metadata of the function, which a guard is looked up by. */
const noting =
  ({ defineMetadata }: Metadata, key: unknown, value: unknown): Decorate =>
  (_target, _name, { value: method }) => {
    defineMetadata(key, value, method as object)
  }

const both = [
  ["a cache", () => makeCache().cache],
  ["the default cache", () => zoocache],
] as const

describe.each(both)("@cacheable of %s, as a legacy decorator", (_of, make) => {
  test("keeps the metadata that decorators below it have noted on the method", async () => {
    await withReflectMetadata(async (metadata) => {
      const { cacheable } = bind(make())
      const symbol = Symbol("roles")
      class Controller {
        @noting(metadata, "path", "/users/:id")
        @cacheable()
        @noting(metadata, "guards", ["Admin"])
        @noting(metadata, symbol, ["admin"])
        async user(id: number): Promise<number> {
          return id
        }
      }
      const { user } = Controller.prototype
      expect(metadata.getOwnMetadata("guards", user)).toEqual(["Admin"])
      expect(metadata.getOwnMetadata(symbol, user)).toEqual(["admin"])
      expect(metadata.getOwnMetadata("path", user)).toBe("/users/:id")
      expect(await new Controller().user(1)).toBe(1)
    })
  })

  test("keeps metadata that the method inherits from a function below it", async () => {
    await withReflectMetadata(async (metadata) => {
      const { cacheable } = bind(make())
      const traced: Decorate = (_target, _name, descriptor) => {
        const inner = descriptor.value as (...args: unknown[]) => unknown
        descriptor.value = Object.setPrototypeOf(function (this: unknown, ...args: unknown[]) {
          return inner.apply(this, args)
        }, inner)
      }
      class Controller {
        @cacheable()
        @traced
        @noting(metadata, "guards", ["Admin"])
        async user(id: number): Promise<number> {
          return id
        }
      }
      expect(metadata.getOwnMetadata("guards", Controller.prototype.user)).toEqual(["Admin"])
    })
  })

  test("keeps the method's own properties, its name and its number of parameters", async () => {
    const { cacheable } = bind(make())
    const hidden = Symbol("hidden")
    const tagged: Decorate = (_target, _name, { value: method }) => {
      Object.assign(method as object, { description: "one user" })
      Object.defineProperty(method, hidden, { value: 1 })
    }
    class Controller {
      @cacheable()
      @tagged
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
    expect(Object.getOwnPropertyDescriptor(user, hidden)).toMatchObject({ value: 1, enumerable: false })
  })
})

/** The decorator without its cache, as code that imports it from the root has it. */
function bind(cache: Pick<zoocache.Cache, "cacheable">): { cacheable: zoocache.Cache["cacheable"] } {
  return { cacheable: ((...given: [never]) => cache.cacheable(...given)) as zoocache.Cache["cacheable"] }
}

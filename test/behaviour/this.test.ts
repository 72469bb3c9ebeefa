/** The `this` of cached functions: loaders and hooks get it; it is no part of a key unless `key` makes it so. */
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { type Cache, cacheable, cacheableSync, configure, createCache, reset } from "zoocache"

interface Tenant {
  readonly name: string
}

/** What all forms have in common, whatever they answer with. */
interface Fn {
  (this: unknown, id: number): unknown
  keyOf(id: number): string
  peek(id: number): unknown
  refresh(this: unknown, id: number): unknown
  delete(id: number): Promise<unknown>
  explain(id: number): unknown
  prime(args: readonly [number], value: string, options: { asOf: "now" }): Promise<unknown>
  primeMany(items: readonly (readonly [readonly [number], string])[], options: { asOf: "now" }): Promise<unknown>
}

const acme: Tenant = { name: "acme" }
const other: Tenant = { name: "other" }

function describeSelf(this: Tenant | undefined, id: number): string {
  return `${this?.name ?? "nobody"} ${id}`
}

const options = {
  name: "fn",
  ttl(this: Tenant | undefined) {
    seen.push(this)
    return "1h" as const
  },
}
const seen: unknown[] = []

let cache: Cache
beforeEach(async () => {
  seen.length = 0
  cache = createCache()
  await reset()
  configure()
})
afterEach(async () => {
  await cache.close()
  await reset()
})

// eslint-disable-next-line @typescript-eslint/require-await -- a loader that answers later
async function later(this: Tenant | undefined, id: number): Promise<string> {
  return describeSelf.call(this, id)
}

const forms = [
  ["cacheable", () => cache.cacheable(later, options)],
  ["cacheableSync", () => cache.cacheableSync(describeSelf, options)],
  ["cacheable of the default cache", () => cacheable(later, options)],
  ["cacheableSync of the default cache", () => cacheableSync(describeSelf, options)],
] as const

describe.each(forms)("a function made by %s", (_form, make) => {
  test("gives its loader and its hooks the `this` of the call", async () => {
    const fn = make() as unknown as Fn
    expect(await fn.call(acme, 1)).toBe("acme 1")
    expect(seen).toEqual([acme])
  })

  test("called as a method, that is the object", async () => {
    const api = { name: "api", fn: make() as unknown as Fn }
    expect(await api.fn(1)).toBe("api 1")
  })

  test("`this` is no part of its key: whoever loads first decides", async () => {
    const fn = make() as unknown as Fn
    expect(await fn.call(acme, 1)).toBe("acme 1")
    expect(await fn.call(other, 1)).toBe("acme 1")
    expect(fn.keyOf.call(acme, 1)).toBe(fn.keyOf.call(other, 1))
  })

  test("refresh gives its loader the `this` of `.call`, and none as a method of the function", async () => {
    const fn = make() as unknown as Fn
    expect(await fn.refresh.call(acme, 1)).toBe("acme 1")
    expect(await fn.refresh(1)).toBe("nobody 1")
    expect(await fn.call(undefined, 1)).toBe("nobody 1")
    const api = { name: "api", fn }
    expect(await api.fn.refresh(1)).toBe("nobody 1")
    expect(await api.fn.refresh.call(api, 1)).toBe("api 1")
  })

  test("prime gives its hooks the `this` of `.call`", async () => {
    const fn = make() as unknown as Fn
    await fn.prime.call(acme, [1], "primed", { asOf: "now" })
    expect(seen).toEqual([acme])
    await fn.prime([1], "primed", { asOf: "now" })
    expect(seen).toEqual([acme, undefined])
  })
})

describe.each([
  ["cacheable", () => cache.cacheable(later, keyed)],
  ["cacheableSync", () => cache.cacheableSync(describeSelf, keyed)],
  ["cacheable of the default cache", () => cacheable(later, keyed)],
  ["cacheableSync of the default cache", () => cacheableSync(describeSelf, keyed)],
] as const)("a `key` that reads `this` keeps objects apart in %s", (_form, make) => {
  test("in calls and in every method", async () => {
    const fn = make() as unknown as Fn
    expect([await fn.call(acme, 1), await fn.call(other, 1)]).toEqual(["acme 1", "other 1"])
    expect(fn.keyOf.call(acme, 1)).not.toBe(fn.keyOf.call(other, 1))
    expect([fn.peek.call(acme, 1), fn.peek.call(other, 1)]).toEqual(["acme 1", "other 1"])
    expect(fn.explain.call(acme, 1)).toMatchObject({ state: "fresh", key: fn.keyOf.call(acme, 1) })
    await fn.delete.call(acme, 1)
    expect([fn.peek.call(acme, 1), fn.peek.call(other, 1)]).toEqual([undefined, "other 1"])
    await fn.prime.call(acme, [1], "primed", { asOf: "now" })
    await fn.primeMany.call(other, [[[1], "many"]], { asOf: "now" })
    expect([await fn.call(acme, 1), await fn.call(other, 1)]).toEqual(["primed", "many"])
    expect(await fn.refresh.call(acme, 1)).toBe("acme 1")
    expect(fn.peek.call(other, 1)).toBe("many")
  })
})

const keyed = {
  name: "keyed",
  key(this: unknown, id: number) {
    return [(this as Tenant | undefined)?.name ?? "", id] as const
  },
}

test.each([
  ["cacheable", () => cache.cacheable(later, { name: "fn" })],
  ["cacheable of the default cache", () => cacheable(later, { name: "fn" })],
] as const)("with(…) of %s gives its loader the `this` of its call", async (_form, make) => {
  const fn = make()
  const anew = fn.with({ fresh: true })
  expect(await anew.call(acme, 1)).toBe("acme 1")
  expect(await anew.call(undefined, 1)).toBe("nobody 1")
  const api = { name: "api", anew }
  expect(await api.anew(1)).toBe("api 1")
  expect(await fn.with({ signal: new AbortController().signal }).call(acme, 2)).toBe("acme 2")
})

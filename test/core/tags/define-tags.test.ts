import { describe, expect, expectTypeOf, test } from "vitest"
import { createCache, defineTags, InvalidOptionError, InvalidTagError, tag, type TagValue } from "zoocache"

const tags = defineTags({
  user: "user:{id}",
  orgUser: "org:{org}:user:{id}",
  slug: "page:{section}-{slug}",
  tenant: "{tenant}:invoice:{id}",
  catalogue: "catalogue:all",
})

// As somebody without types would call it.
const untyped = tags as unknown as Record<keyof typeof tags, (values?: unknown) => string>

function problemOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidTagError)
    return (error as Error).message
  }
  return "no error"
}

describe("a defined tag", () => {
  test("is its template with the values", () => {
    expect(tags.user({ id: 42 })).toBe("user:42")
    expect(tags.orgUser({ org: 7n, id: true })).toBe("org:7:user:true")
    expect(tags.slug({ section: "news", slug: "a" })).toBe("page:news-a")
    expect(tags.catalogue()).toBe("catalogue:all")
  })

  test.each(["a:b*", "50 %", "ä\u00a0\n", "🦓", "%3A"])("encodes %j as `tag` does", (id) => {
    expect(tags.user({ id })).toBe(tag`user:${id}`)
  })

  test.each([
    [undefined, "the value of `id` is undefined"],
    [null, "the value of `id` is null"],
    ["", "the value of `id` is the empty string"],
    [Number.NaN, "the value of `id` is not a finite number"],
    [{}, "the value of `id` is of type object"],
    [Symbol("s"), "the value of `id` is of type symbol"],
    ["x".repeat(300), "longer than 256 bytes"],
    ["\ud83d", "lone surrogate"],
  ])("refuses %j as a value", (id, problem) => {
    expect(problemOf(() => untyped.user({ id }))).toContain(problem)
  })

  test("refuses values that are missing, unknown, or no object, and names the template", () => {
    expect(problemOf(() => untyped.orgUser({ org: 1 }))).toBe(
      'Invalid tag "org:{org}:user:{id}": it needs a value of `id`',
    )
    expect(problemOf(() => untyped.user({ id: 1, name: "a" }))).toContain("it has no parameter `name`")
    expect(problemOf(() => untyped.user())).toContain("its values are given as an object: { id }")
    expect(problemOf(() => untyped.user(42))).toContain("its values are given as an object")
    expect(problemOf(() => untyped.catalogue({ id: 1 }))).toContain("it has no parameter `id`")
  })

  test("takes no value from a prototype", () => {
    expect(problemOf(() => untyped.user(Object.create({ id: 1 })))).toContain("it needs a value of `id`")
    const odd = defineTags({ odd: "odd:{constructor}:{toString}" })
    expect(problemOf(() => (odd.odd as (values: unknown) => string)({}))).toContain("it needs a value of `constructor`")
    expect(odd.odd({ constructor: "a", toString: "b" })).toBe("odd:a:b")
  })

  test("knows its template, and the tag that covers all of its kind", () => {
    expect(tags.user.template).toBe("user:{id}")
    expect(tags.user.all()).toBe("user")
    expect(tags.orgUser.all()).toBe("org")
    expect(tags.orgUser.all({ org: "a:b" })).toBe("org:a%3Ab:user")
    expect(tags.orgUser.all({ org: 7, id: 1 })).toBe("org:7:user:1")
    expect(tags.slug.all()).toBe("page")
    expect(tags.slug.all({ section: "news" })).toBe("page")
    expect(tags.catalogue.all()).toBe("catalogue:all")
    expect(tags.tenant.all({ tenant: "t" })).toBe("t:invoice")
  })

  test("refuses to cover what only everything covers, and values that narrow nothing", () => {
    expect(problemOf(() => tags.tenant.all())).toContain("cache.clear()")
    expect(problemOf(() => tags.orgUser.all({ id: 1 }))).toContain("`id` narrows nothing without `org`")
    expect(problemOf(() => (tags.user.all as (values: unknown) => string)({ name: 1 }))).toContain(
      "no parameter `name`",
    )
  })

  test("reaches what depends on it, by itself and through what covers it", async () => {
    const cache = createCache()
    let loads = 0
    const getUser = cache.cacheable(async (id: number) => [id, ++loads], {
      deps: (id) => [tags.orgUser({ org: 1, id })],
    })
    await getUser(1)
    await getUser(2)
    await cache.invalidate(tags.orgUser({ org: 1, id: 1 }))
    expect(await getUser(1)).toEqual([1, 3])
    expect(await getUser(2)).toEqual([2, 2])
    await cache.invalidate(tags.orgUser.all({ org: 1 }))
    expect(await getUser(2)).toEqual([2, 4])
    await cache.close()
  })
})

describe("defineTags", () => {
  test.each([
    ["user:{}", "`{}` is no parameter"],
    ["user:{a b}", "`{a b}` is no parameter"],
    ["user:{1}", "`{1}` is no parameter"],
    ["user:{id", "a `{` has no `}` after it"],
    ["user:id}", "a `}` has no `{` before it"],
    ["user:{{id}}", "`{{id}` is no parameter"],
    ["user::{id}", "segment 2 is empty"],
    ["user:{id}:", "segment 3 is empty"],
    ["user *:{id}", "white space"],
    ["", "it is empty"],
    [Array.from({ length: 17 }, () => "a").join(":"), "17 segments"],
    [42, "a template is a string"],
  ])("refuses the template %j", (template, problem) => {
    expect(problemOf(() => defineTags({ bad: template as string }))).toContain(problem)
  })

  test.each([undefined, null, "user:{id}", ["user:{id}"], 42])("refuses %j instead of an object", (templates) => {
    expect(() => defineTags(templates as never)).toThrow(InvalidOptionError)
  })

  test("gives something that can't be changed and has no prototype", () => {
    expect(Object.isFrozen(tags)).toBe(true)
    expect(Object.isFrozen(tags.user)).toBe(true)
    expect(Object.getPrototypeOf(tags)).toBe(null)
    expect("constructor" in tags).toBe(false)
  })

  test("takes names that objects have by nature", () => {
    const odd = defineTags({ ["__proto__"]: "a:{id}", constructor: "b", all: "c:{__proto__}" })
    expect(Object.keys(odd)).toEqual(["__proto__", "constructor", "all"])
    expect(odd["__proto__"]({ id: 1 })).toBe("a:1")
    expect(odd.constructor()).toBe("b")
    expect(odd.all({ ["__proto__"]: 1 })).toBe("c:1")
  })

  test("fills one name wherever it stands", () => {
    expect(defineTags({ twice: "a:{id}:b:{id}" }).twice({ id: 1 })).toBe("a:1:b:1")
  })

  test("types what each maker takes by its template", () => {
    expectTypeOf(tags.user).parameters.toEqualTypeOf<[values: { readonly id: TagValue }]>()
    expectTypeOf(tags.orgUser).parameters.toEqualTypeOf<[values: { readonly org: TagValue; readonly id: TagValue }]>()
    expectTypeOf(tags.catalogue).parameters.toEqualTypeOf<[]>()
    expectTypeOf(tags.user).returns.toEqualTypeOf<string>()
    expectTypeOf(tags.user.template).toEqualTypeOf<"user:{id}">()
    // @ts-expect-error -- a value is missing
    expect(() => tags.orgUser({ org: 1 })).toThrow(InvalidTagError)
    // @ts-expect-error -- no such parameter
    expect(() => tags.user({ id: 1, name: 2 })).toThrow(InvalidTagError)
    // @ts-expect-error -- null is no value
    expect(() => tags.user({ id: null })).toThrow(InvalidTagError)
    // @ts-expect-error -- no such tag
    expect(tags.usr).toBeUndefined()
    // @ts-expect-error -- what is defined stays
    expect(() => (tags.user = tags.catalogue)).toThrow(TypeError)
    const some: Record<string, string> = { user: "user:{id}" }
    expectTypeOf(defineTags(some)["user"]).parameter(0).toEqualTypeOf<Readonly<Record<string, TagValue>> | undefined>()
  })
})

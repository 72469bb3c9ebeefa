import fc from "fast-check"

/** Structural equality, written without the encoding in mind. */
export function same(left: unknown, right: unknown): boolean {
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) {
    return Object.is(left, right)
  }
  const kind = Object.prototype.toString.call(left)
  if (kind !== Object.prototype.toString.call(right)) return false
  if (left instanceof Date && right instanceof Date) return Object.is(left.getTime(), right.getTime())
  if (left instanceof RegExp && right instanceof RegExp) {
    return String(left) === String(right) && left.lastIndex === right.lastIndex
  }
  if (left instanceof URL && right instanceof URL) return left.href === right.href
  if (left instanceof Map && right instanceof Map) return sameMembers([...left], [...right])
  if (left instanceof Set && right instanceof Set) return sameMembers([...left], [...right])
  if (left instanceof ArrayBuffer && right instanceof ArrayBuffer) return Buffer.from(left).equals(Buffer.from(right))
  if (ArrayBuffer.isView(left) && ArrayBuffer.isView(right)) {
    const bytes = (view: ArrayBufferView): Buffer => Buffer.from(view.buffer, view.byteOffset, view.byteLength)
    return bytes(left).equals(bytes(right))
  }
  if (Array.isArray(left) !== Array.isArray(right)) return false
  const names = Object.keys(left)
  return (
    names.length === Object.keys(right).length &&
    names.every(
      (name) =>
        Object.hasOwn(right, name) &&
        same((left as Record<string, unknown>)[name], (right as Record<string, unknown>)[name]),
    )
  )
}

function sameMembers(left: unknown[], right: unknown[]): boolean {
  const rest = [...right]
  for (const member of left) {
    const index = rest.findIndex((other) => same(member, other))
    if (index === -1) return false
    rest.splice(index, 1)
  }
  return rest.length === 0
}

export function sameCall(left: readonly unknown[], right: readonly unknown[]): boolean {
  const trimmed = (args: readonly unknown[]): unknown[] => {
    const copy = [...args]
    while (copy.length > 0 && copy.at(-1) === undefined) copy.pop()
    return copy
  }
  return same(trimmed(left), trimmed(right))
}

// Small on purpose: two values drawn from it are often equal, or nearly so.
export const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small", withCrossShrink: true },
    fc.constantFrom<unknown>(
      undefined,
      null,
      true,
      false,
      0,
      -0,
      1,
      -1,
      NaN,
      Infinity,
      -Infinity,
      1e21,
      0.1,
      0n,
      1n,
      -1n,
      "",
      "1",
      "a",
      "0",
      "-0",
      "null",
      "undefined",
      "NaN",
      "1n",
      "[1]",
      "{}",
      "a,b",
      '"',
      '\\"',
      "\0",
      "\ud800",
      "\udc00",
    ),
    fc.string({
      unit: fc.constantFrom('"', "\\", ",", "a", ":", "{", "\ud83e", "\udd93", "\n", "\u2028"),
      maxLength: 4,
    }),
    fc.constantFrom(0, 1, NaN).map((time) => new Date(time)),
    fc.constantFrom("http://a/", "http://a/?b").map((href) => new URL(href)),
    fc
      .constantFrom<[string, string]>(["a", ""], ["a", "g"], ["/", ""], ['"', ""])
      .map(([source, flags]) => new RegExp(source, flags)),
    fc
      .tuple(
        fc.uint8Array({ maxLength: 2 }),
        fc.constantFrom<(bytes: ArrayBuffer) => unknown>(
          (bytes) => new Uint8Array(bytes),
          (bytes) => new Uint8ClampedArray(bytes),
          (bytes) => new Int8Array(bytes),
          (bytes) => new DataView(bytes),
          (bytes) => bytes,
        ),
      )
      .map(([bytes, make]) => make(Uint8Array.from(bytes).buffer)),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "b", "1", "__proto__", "a b", "ä", '"', ""), tie("value"), { maxKeys: 3 }),
    fc.array(tie("value"), { maxLength: 3 }).map((members) => new Set(members)),
    fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 2 }).map((members) => new Map(members)),
  ),
}))
export const call = fc.array(value, { maxLength: 3 })

export function reversed<T>(list: readonly T[]): T[] {
  return list.map((_, index) => list[list.length - 1 - index] as T)
}

/** The same content in other objects, and in another order where order doesn't matter. */
export function rebuilt(original: unknown): unknown {
  if (typeof original !== "object" || original === null) return original
  if (Array.isArray(original)) return original.map(rebuilt)
  if (original instanceof Set) return new Set(reversed([...original]).map(rebuilt))
  if (original instanceof Map) {
    return new Map(reversed([...original]).map(([key, member]) => [rebuilt(key), rebuilt(member)]))
  }
  if (original instanceof URL) return new URL(original.href)
  if (Object.prototype.toString.call(original) !== "[object Object]") return structuredClone(original)
  const copy = Object.create(null) as Record<string, unknown>
  for (const [name, member] of reversed(Object.entries(original))) copy[name] = rebuilt(member)
  return copy
}

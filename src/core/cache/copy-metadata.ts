import type { AnyFunction } from "../options/options.js"

/** Properties that every function has for itself. */
const OF_EACH_FUNCTION = new Set<PropertyKey>(["prototype", "arguments", "caller"])

/** The functions of `reflect-metadata` and its kin, where one of them is loaded. */
interface MetadataReflection {
  getOwnMetadataKeys?: unknown
  getMetadataKeys?: (target: object) => readonly unknown[]
  getMetadata?: (key: unknown, target: object) => unknown
  defineMetadata?: (key: unknown, value: unknown, target: object) => void
}

/**
 * Gives the function that stands in for a method all that other decorators have noted on the method: its own properties
 * with its name and its number of parameters, and its metadata. Frameworks look there for guards and routes: what is lost
 * is a guard that does not run.
 *
 * @param except own properties that stay as they are.
 */
export function copyMetadata(from: AnyFunction, to: AnyFunction, except: readonly PropertyKey[] = []): void {
  for (const key of Reflect.ownKeys(from)) {
    if (OF_EACH_FUNCTION.has(key) || except.includes(key)) continue
    Object.defineProperty(to, key, Object.getOwnPropertyDescriptor(from, key) as PropertyDescriptor)
  }
  const { getOwnMetadataKeys, getMetadataKeys, getMetadata, defineMetadata } = Reflect as MetadataReflection
  if (typeof getOwnMetadataKeys !== "function") return
  // Inherited metadata too: a decorator below may have put a function of its own on top of the method.
  for (const key of getMetadataKeys?.call(Reflect, from) ?? []) {
    defineMetadata?.call(Reflect, key, getMetadata?.call(Reflect, key, from), to)
  }
}

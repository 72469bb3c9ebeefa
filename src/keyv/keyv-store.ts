import { EventEmitter } from "node:events"
import { InvalidOptionError } from "../core/base/errors.js"
import type { Cache } from "../core/cache/cache.js"
import { isCache, OWNER } from "../core/cache/owner.js"
import { currentFrame } from "../core/loads/frame.js"
import { runOf } from "../core/loads/run.js"
import { checkFunction, checkNames, isStringArray } from "../core/options/checks.js"
import { tag } from "../core/tags/tag.js"

export interface KeyvStoreOptions {
  /**
   * What an entry depends on: tags, or a function that names them for a key. The key is what Keyv gives to a store: Keyv 5
   * puts `namespace:` in front of it, Keyv 6 does not.
   */
  deps?: readonly string[] | ((key: string) => readonly string[]) | undefined
}

/** An item of `setMany`, as Keyv gives it. */
export interface KeyvItem {
  readonly key: string
  readonly value: unknown
  readonly ttl?: number | undefined
}

const OPTIONS = new Set(["deps"])

/** Runs of `reading` in this process, each of which has a key of its own. */
let readings = 0

/**
 * The store behind a `Keyv`, over a cache. It keeps what Keyv hands to it, under `keyv/<namespace>/<key>`. Every entry depends on the tag
 * `keyv:<namespace>`, and on what `deps` says.
 *
 * It has no `iterator`: a cache does not list its keys. It emits nothing: a call that fails rejects, and faults go to the
 * cache's `onFault`. The cache stays its maker's to close.
 */
export class KeyvStore extends EventEmitter {
  /** Keyv 5 looks for a database's dialect here, and lets users put things of their own. Nothing of it is read. */
  readonly opts: Record<string, unknown> = {}
  /** Set by Keyv. One store belongs to one Keyv. */
  namespace: string | undefined = undefined
  readonly #cache: Cache
  readonly #deps: readonly string[] | ((key: string) => readonly string[])

  constructor(cache: Cache, options: KeyvStoreOptions) {
    super()
    this.#cache = cache
    this.#deps = options.deps ?? []
  }

  // Keyv 6 knows a whole store by its methods, and takes them for promises only where they are `async`.

  async get<Value>(key: string): Promise<Value | undefined> {
    return await this.#cache.get<Value>(this.#id(key))
  }

  async getMany<Value>(keys: readonly string[]): Promise<(Value | undefined)[]> {
    const ids = keys.map((key) => this.#id(key))
    const found = await this.#cache.getMany<Value>(ids)
    return ids.map((id) => found.get(id))
  }

  async has(key: string): Promise<boolean> {
    return await this.#cache.has(this.#id(key))
  }

  async hasMany(keys: readonly string[]): Promise<boolean[]> {
    return await Promise.all(keys.map((key) => this.#cache.has(this.#id(key))))
  }

  /**
   * Keeps a value for `ttl` milliseconds, or for the `ttl` of the cache. It counts as read when the load or the
   * {@link KeyvStore.reading} around began, else now.
   */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    await this.#cache.set(this.#id(key), value, { deps: this.#depsOf(key), ttl })
    return true
  }

  async setMany(items: readonly KeyvItem[]): Promise<void> {
    await this.#cache.setMany(
      items.map(({ key, value, ttl }) => [this.#id(key), value, { deps: this.#depsOf(key), ttl }] as const),
    )
  }

  /** Resolves with whether there was a value. */
  async delete(key: string): Promise<boolean> {
    return await this.deleteMany([key])
  }

  /** Resolves with whether there was a value under any of the keys. */
  async deleteMany(keys: readonly string[]): Promise<boolean> {
    const were = await this.hasMany(keys)
    // Also where there was none: a value that is on its way to be set must not outlive this.
    await this.#cache.delete(keys.map((key) => this.#id(key)))
    return were.includes(true)
  }

  /** Invalidates the entries of the namespace. Of a store without one, those that have none. */
  async clear(): Promise<void> {
    await this.#cache.invalidate(this.#tag())
  }

  /**
   * Runs `work`, and what it sets counts as read when `work` began: what is invalidated meanwhile makes the value stale, and it
   * is not kept. For reading through: look into Keyv, read the source, set.
   *
   * @example
   * const user = await store.reading(async () => {
   *   const known = await keyv.get("42")
   *   if (known !== undefined) return known
   *   const row = await db.user(42)
   *   await keyv.set("42", row)
   *   return row
   * })
   */
  async reading<T>(work: () => T | PromiseLike<T>): Promise<T> {
    checkFunction(work, "reading", "the function that reads and sets")
    // A load of this cache around it began before, and what it sets counts from there.
    if (runOf(currentFrame(), this.#cache[OWNER]) !== undefined) return await work()
    readings += 1
    let result: T | undefined
    // What `work` returns is its caller's alone, and may be anything.
    const run = async (): Promise<void> => {
      result = await work()
    }
    await this.#cache.getOrLoad(`keyv-reading/${readings}`, run, { ttl: 0, timeout: Infinity, whenUnsure: "load" })
    return result as T
  }

  #id(key: string): string {
    const namespace = (this.namespace ?? "").replaceAll("%", "%25").replaceAll("/", "%2F")
    return `keyv/${namespace}/${key}`
  }

  // A namespace can't be the lone percent sign: `tag` escapes it.
  #tag(): string {
    const { namespace } = this
    return namespace === undefined || namespace === "" ? "keyv:%" : tag`keyv:${namespace}`
  }

  #depsOf(key: string): string[] {
    const named: unknown = typeof this.#deps === "function" ? this.#deps(key) : this.#deps
    if (!isStringArray(named)) throw new InvalidOptionError("deps", named, "it must name the tags in an array")
    return [this.#tag(), ...named]
  }
}

/**
 * A store for `new Keyv({ store })`, of Keyv 5 and 6, whose entries tags can invalidate. Make one for each Keyv.
 *
 * @throws InvalidOptionError
 * @example
 * const store = keyvStore(cache, { deps: (key) => [tag`user:${key}`] })
 * const users = new Keyv({ store, namespace: "users" })
 */
export function keyvStore(cache: Cache, options: KeyvStoreOptions = {}): KeyvStore {
  if (!isCache(cache)) throw new InvalidOptionError("cache", cache, "it must be a cache")
  checkNames(options, OPTIONS, "keyvStore")
  const { deps } = options
  if (deps !== undefined && typeof deps !== "function" && !isStringArray(deps)) {
    throw new InvalidOptionError("deps", deps, "it must be an array of tags, or a function that returns one")
  }
  return new KeyvStore(cache, options)
}

import { randomBytes } from "node:crypto"
import type { ZooCacheError } from "../core/base/errors.js"
import { afterIo } from "../core/base/machine.js"
import type { LeaseAnswer, LeaseEnd, Leases } from "../core/ports/leases.js"
import type { RedisArgument, RedisClient } from "./client.js"
import { Guard, GuardedCall, type GuardOptions } from "./guard.js"
import { leaseChannel } from "./keys.js"
import type { EntryNames } from "./store-keys.js"
import { ACQUIRE, READ, RELEASE, runInPlace, type Script } from "./store-scripts.js"

/** A channel, and those who listen to it. */
export interface ListenOptions {
  readonly channel: string
  readonly onMessage: (message: string) => void
  /** The subscription listens now, and has missed what was said before. */
  readonly onListening: () => void
}

/** The breaker is that of the store's writes: while it is open nobody asks, and nobody waits. */
export interface RedisLeasesOptions extends Omit<GuardOptions, "kind"> {
  readonly listen: (options: ListenOptions) => () => void
  readonly prefix: string
  readonly db: number | undefined
  readonly names: EntryNames
  readonly onFault: (error: ZooCacheError) => void
}

const ENDS: ReadonlySet<string> = new Set<LeaseEnd>(["stored", "failed", "unwanted"])
const GRANTED = -1

/**
 * Leases of one prefix in Redis: each a key with a token of its holder, which goes by itself when its time is over.
 *
 * A caller that is refused leaves a mark on the lease. Only a lease with a mark is announced when it is given back, so that
 * loads which nobody waits for say nothing to the fleet.
 */
export class RedisLeases implements Leases {
  readonly #options: RedisLeasesOptions
  readonly #guard: Guard
  readonly #channel: string
  /** By the name of the entry. */
  readonly #watchers = new Map<string, Set<(end: LeaseEnd | undefined) => void>>()
  readonly #acquiring = new Set<Promise<LeaseAnswer>>()
  readonly #releasing = new Set<Promise<void>>()
  #stopListening: (() => void) | undefined
  /** Nothing is granted any more; what was granted is still given back. */
  #isClosing = false

  constructor(options: RedisLeasesOptions) {
    this.#options = options
    this.#guard = new Guard({ ...options, kind: "lease" })
    this.#channel = leaseChannel(options.prefix, options.db)
  }

  acquire(key: string, leaseMs: number): Promise<LeaseAnswer> {
    if (this.#isClosing) return Promise.resolve(undefined)
    const acquiring = this.#acquire(key, leaseMs).finally(() => this.#acquiring.delete(acquiring))
    this.#acquiring.add(acquiring)
    return acquiring
  }

  async #acquire(key: string, leaseMs: number): Promise<LeaseAnswer> {
    const { names } = this.#options
    const name = names.of(key)
    const token = randomBytes(12).toString("base64url")
    const lease = { release: (end: LeaseEnd) => this.#release(name, token, end) }
    const reply = await this.#run(ACQUIRE, names.leaseOf(name), [token, String(leaseMs)], (late) => {
      // Nobody waits for this answer any more, and nobody else should wait for what will not be loaded.
      if (Number(late) === GRANTED) void lease.release("failed")
    })
    if (reply === undefined) return undefined
    const heldForMs = Number(reply)
    if (heldForMs !== GRANTED) return { heldForMs }
    if (!this.#isClosing) return { lease }
    // The caller may not come to give it back before the connection is gone.
    void lease.release("failed")
    return undefined
  }

  /** The record of an entry, by its name, as the master has it after everything that was sent before. */
  async read(name: string): Promise<Buffer | undefined> {
    const record = await this.#run(READ, name, [])
    return Buffer.isBuffer(record) ? record : undefined
  }

  watch(key: string, onEnd: (end: LeaseEnd | undefined) => void): () => void {
    if (this.#isClosing) return () => {}
    const name = this.#options.names.of(key)
    const watchers = this.#watchers.get(name) ?? new Set()
    // A function of its own: the same may watch twice.
    const watcher = (end: LeaseEnd | undefined) => onEnd(end)
    this.#watchers.set(name, watchers.add(watcher))
    this.#stopListening ??= this.#options.listen({
      channel: this.#channel,
      onMessage: (message) => this.#hear(message),
      onListening: () => this.#wakeAll(),
    })
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0 && this.#watchers.get(name) === watchers) this.#watchers.delete(name)
    }
  }

  /** Resolves when what was asked for is answered and what was given back has arrived, or can't. */
  async close(): Promise<void> {
    this.#isClosing = true
    // Leases that waited for a write to be answered are given back before the turn ends.
    await new Promise<void>((resolve) => {
      afterIo(resolve)
    })
    this.#stopListening?.()
    this.#watchers.clear()
    await Promise.allSettled(this.#acquiring)
    await Promise.allSettled(this.#releasing)
    this.#guard.close()
  }

  #release(name: string, token: string, end: LeaseEnd): Promise<void> {
    const { names } = this.#options
    const releasing = this.#run(RELEASE, names.leaseOf(name), [token, this.#channel, `${end} ${name}`])
      .then(() => {})
      .finally(() => this.#releasing.delete(releasing))
    this.#releasing.add(releasing)
    return releasing
  }

  #hear(message: string): void {
    const space = message.indexOf(" ")
    const end = message.slice(0, space)
    // Another version, or another program, may say something else.
    if (!ENDS.has(end)) return
    for (const watcher of this.#watchers.get(message.slice(space + 1)) ?? []) watcher(end as LeaseEnd)
  }

  #wakeAll(): void {
    for (const watchers of this.#watchers.values()) for (const watcher of watchers) watcher(undefined)
  }

  /** The reply, undefined where there is none in time. Never rejects. A later reply goes to `onLate`. */
  #run(
    script: Script,
    key: string,
    args: readonly RedisArgument[],
    onLate?: (reply: unknown) => void,
  ): Promise<unknown> {
    return new Promise((resolve) => {
      const { onFault } = this.#options
      this.#guard.run(new LeaseCommand({ script, key, args, resolve, onLate, onFault }))
    })
  }
}

interface LeaseCommandOptions {
  readonly script: Script
  readonly key: string
  readonly args: readonly RedisArgument[]
  readonly resolve: (reply: unknown) => void
  readonly onLate: ((reply: unknown) => void) | undefined
  readonly onFault: (error: ZooCacheError) => void
}

/** A lease that can't be asked for is as one that was never there: the caller loads, and the fault is told apart. */
class LeaseCommand extends GuardedCall {
  readonly #options: LeaseCommandOptions

  constructor(options: LeaseCommandOptions) {
    super()
    this.#options = options
  }

  override send(client: RedisClient): Promise<unknown> {
    const { script, key, args } = this.#options
    return runInPlace(client, script, key, args)
  }

  override answered(reply: unknown): void {
    this.#options.resolve(reply)
  }

  override refused(fault: ZooCacheError | undefined): void {
    this.#options.resolve(undefined)
    if (fault !== undefined) this.#options.onFault(fault)
  }

  override unanswered(): void {
    this.#options.resolve(undefined)
  }

  override answeredLate(reply: unknown): void {
    this.#options.onLate?.(reply)
  }
}

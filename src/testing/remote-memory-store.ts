import type { Clock } from "../core/base/clock.js"
import { StoreError } from "../core/base/errors.js"
import type { LeaseAnswer, LeaseEnd, Leases } from "../core/ports/leases.js"
import type { RemoteStore } from "../core/ports/store.js"
import { copyBytes } from "./copy-bytes.js"
import { FaultyWrites, type StoreOperation } from "./faulty-store.js"
import type { LeaseBoard } from "./lease-board.js"
import { settled } from "./manual-clock.js"
import { MemoryStore, type MemoryStoreOptions } from "./memory-store.js"

export interface RemoteMemoryStoreOptions extends MemoryStoreOptions {
  /** Whose timers `delayMs` is kept by. Needed where reads are delayed. */
  readonly clock?: Clock | undefined
  /** Which leases are held. Stores that are given the same board compete for them; without one a store has none. */
  readonly board?: LeaseBoard | undefined
}

/**
 * A store in memory whose reads are answered later, as over a network, and go wrong when a test says so, as its writes do:
 * see {@link FaultyStore} for the fates.
 *
 * A read finds what is stored when it is called, not when it is answered: the worst that can become of it. One that is
 * held finds what is stored at its `effect()`.
 *
 * @example
 * const store = new RemoteMemoryStore({ codec })
 * const cache = createCache({ store, codec, memory: false })
 * store.decide = ({ kind }) => (kind === "get" ? "hold" : "pass")
 * const reading = getUser(42)
 * await cache.invalidate("user:42") // while the read is under way
 * await store.held[0]?.answer()
 */
export class RemoteMemoryStore extends FaultyWrites implements RemoteStore {
  readonly remote = true
  /** How long reads take from now on. 0: until the event loop comes round. */
  delayMs = 0
  readonly leases: Leases | undefined
  readonly #clock: Clock | undefined

  constructor(options: RemoteMemoryStoreOptions) {
    super(new MemoryStore(options))
    this.#clock = options.clock
    const { board } = options
    if (board === undefined) return
    this.leases = {
      acquire: (key, leaseMs) => this.#acquire(board, key, leaseMs),
      watch: (key, onEnd) => board.watch(this, key, onEnd),
    }
  }

  /** Reads always see the latest write: nothing lags behind here. */
  get(key: string): Promise<Uint8Array | undefined> {
    const operation: StoreOperation = { kind: "get", key }
    const fate = this.ask(operation)
    switch (fate) {
      case "pass":
      case "effectThenFail":
        return this.#read(key)
      case "corrupt":
        return this.#read(key).then((bytes) => bytes && this.corrupt(bytes, key))
      case "fail":
        return this.#arrived().then(() => Promise.reject(this.failure(operation)))
      case "lose":
        return this.#arrived().then(() => undefined)
      case "hold":
      case "mute":
        return this.run(operation, fate, undefined, () => this.#read(key))
    }
  }

  #acquire(board: LeaseBoard, key: string, leaseMs: number): Promise<LeaseAnswer> {
    const operation: StoreOperation = { kind: "acquire", key }
    const take = (): Promise<LeaseAnswer> => {
      const answer = board.acquire(key, leaseMs)
      const { token } = answer
      if (token === undefined) return this.#arrived().then(() => ({ heldForMs: answer.heldForMs }))
      const lease = { release: (end: LeaseEnd) => this.#release(board, key, token, end) }
      return this.#arrived().then(() => ({ lease }))
    }
    const fate = this.ask(operation)
    switch (fate) {
      case "pass":
      case "hold":
        return this.run(operation, fate, undefined, take)
      case "mute":
      case "effectThenFail":
        return take().then(() => undefined)
      case "fail":
      case "lose":
      case "corrupt":
        return this.#arrived().then(() => undefined)
    }
  }

  #release(board: LeaseBoard, key: string, token: number, end: LeaseEnd): Promise<void> {
    const operation: StoreOperation = { kind: "release", key }
    const give = async (): Promise<void> => {
      board.release(this, key, token, end)
      await this.#arrived()
    }
    return this.run(operation, this.ask(operation), undefined, give).catch(() => {})
  }

  async #read(key: string): Promise<Uint8Array | undefined> {
    const bytes = this.behind.get(key)
    const copy = bytes && copyBytes(bytes)
    await this.#arrived()
    return copy
  }

  async #arrived(): Promise<void> {
    const clock = this.#clock
    if (this.delayMs <= 0) return settled()
    if (clock === undefined) throw new StoreError("get", new Error("`delayMs` needs a `clock`"))
    await new Promise<void>((resolve) => clock.setTimer(resolve, this.delayMs, false))
  }
}

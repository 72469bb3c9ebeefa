import { StoreError } from "../core/base/errors.js"
import type { Amendment, Rank, LocalStore, StoreStats } from "../core/ports/store.js"
import { copyBytes } from "./copy-bytes.js"

/**
 * The fate of one operation of a store.
 * - `pass`: it takes effect and is answered at once.
 * - `fail`: no effect, and it throws or rejects; a touch, which never rejects, is lost.
 * - `hold`: nothing happens until the test says so; see {@link HeldStoreOperation}. Writes only.
 * - `effectThenFail`: it takes effect, and rejects although it did. Writes only.
 * - `lose`: no effect, and it is answered as if it had one. A get finds nothing.
 * - `mute`: it takes effect and is never answered. Writes only.
 * - `corrupt`: a get answers with other bytes, and a put stores others; see {@link FaultyStore.corrupt}.
 *
 * Reads of a local store answer at once, so that a fate which is for writes only lets a get and `close` pass; those of a
 * remote one (`RemoteMemoryStore`) have all fates but `effectThenFail`, which lets them pass. Its leases never reject: an
 * `acquire` that has another fate than `pass` and `hold` answers that nobody can tell, and takes effect where it would.
 */
export type StoreFate = "pass" | "fail" | "hold" | "effectThenFail" | "lose" | "mute" | "corrupt"

/** A call of a store. */
export interface StoreOperation {
  readonly kind: "get" | "put" | "remove" | "touch" | "acquire" | "release" | "close"
  /** Empty for `close`. */
  readonly key: string
}

/** An operation that waits for the test. Every method does nothing where what it does has been done already. */
export interface HeldStoreOperation extends StoreOperation {
  /** Takes effect now; resolves when it has. The answer is kept back. */
  effect(): Promise<void>
  /** Answers, after taking effect if it has not. Resolves when it has answered. */
  answer(): Promise<void>
  /** Rejects, whether it took effect or not. A touch resolves. */
  reject(error?: unknown): void
  /** Gives it up: it will never be answered, and takes no effect that it has not taken yet. */
  drop(): void
}

/** The writes of a faulty store. Reads are left to its classes: they answer at once in one, late in another. */
export abstract class FaultyWrites {
  /** Asked about each operation when it is called. */
  decide: (operation: StoreOperation) => StoreFate = () => "pass"
  /** The error that failures throw and reject with. */
  failure: (operation: StoreOperation) => unknown = ({ kind }) => new StoreError(kind, new Error("the disk is gone"))
  /** Damages bytes, of which it is given a copy. Default: flips one bit in the middle. */
  corrupt: (bytes: Uint8Array, key: string) => Uint8Array | undefined = flipBit
  /** The store behind it. */
  protected readonly behind: LocalStore
  readonly #held = new Set<HeldStoreOperation>()
  readonly #calls = { get: 0, put: 0, remove: 0, touch: 0, acquire: 0, release: 0, close: 0 }

  constructor(behind: LocalStore) {
    this.behind = behind
  }

  /** Operations that wait, the oldest first. */
  get held(): readonly HeldStoreOperation[] {
    return [...this.#held]
  }

  /** How often each operation was called, whatever became of it. */
  get calls(): Readonly<Record<StoreOperation["kind"], number>> {
    return this.#calls
  }

  put(key: string, bytes: Uint8Array): Promise<boolean> {
    const operation: StoreOperation = { kind: "put", key }
    const fate = this.ask(operation)
    const written = fate === "corrupt" ? this.corrupt(copyBytes(bytes), key) : bytes
    if (written === undefined) return Promise.resolve(true)
    return this.run(operation, fate, true, () => this.behind.put(key, written))
  }

  remove(key: string, rank: Rank): Promise<void> {
    const operation: StoreOperation = { kind: "remove", key }
    return this.run(operation, this.ask(operation), undefined, () => this.behind.remove(key, rank))
  }

  touch(key: string, rank: Rank, amendment: Amendment): Promise<void> {
    const operation: StoreOperation = { kind: "touch", key }
    const touched = this.run(operation, this.ask(operation), undefined, () => this.behind.touch(key, rank, amendment))
    return touched.catch(() => {})
  }

  stats(): StoreStats {
    const { entries, bytes, queued } = this.behind.stats()
    const writes = this.held.filter(({ kind }) => kind === "put" || kind === "remove" || kind === "touch")
    return { entries, bytes, queued: queued + writes.length }
  }

  /** Closes the store behind it. Operations that are held then take no effect any more. */
  async close(): Promise<void> {
    const operation: StoreOperation = { kind: "close", key: "" }
    const fate = this.ask(operation)
    await this.behind.close()
    if (fate === "fail") throw this.failure(operation)
  }

  /** Answers everything that waits, in order, and what comes of that, until nothing waits. */
  async releaseAll(): Promise<void> {
    while (this.#held.size > 0) for (const operation of this.#held) await operation.answer()
  }

  /** From now on everything passes; what waits is answered. */
  async heal(): Promise<void> {
    this.decide = () => "pass"
    await this.releaseAll()
  }

  protected ask(operation: StoreOperation): StoreFate {
    this.#calls[operation.kind] += 1
    return this.decide(operation)
  }

  protected run<Reply>(
    operation: StoreOperation,
    fate: StoreFate,
    ifLost: Reply,
    take: () => Promise<Reply>,
  ): Promise<Reply> {
    switch (fate) {
      case "pass":
      case "corrupt":
        return take()
      case "fail":
        return Promise.reject(this.failure(operation))
      case "effectThenFail":
        return take().then(() => Promise.reject(this.failure(operation)))
      case "lose":
        return Promise.resolve(ifLost)
      case "mute":
        // Nobody hears of it, so that nobody could handle its rejection either.
        take().catch(() => {})
        return new Promise(() => {})
      case "hold":
        return this.#hold(operation, take)
    }
  }

  #hold<Reply>(operation: StoreOperation, take: () => Promise<Reply>): Promise<Reply> {
    return new Promise<Reply>((resolve, reject) => {
      let isDropped = false
      let taken: Promise<Reply> | undefined
      const effect = () => {
        taken ??= take()
        return taken
      }
      const held: HeldStoreOperation = {
        ...operation,
        effect: async () => {
          if (!isDropped) await effect().catch(() => {})
        },
        answer: async () => {
          this.#held.delete(held)
          if (!isDropped) await effect().then(resolve, reject)
        },
        reject: (error) => {
          this.#held.delete(held)
          if (!isDropped) reject(error ?? this.failure(operation))
        },
        drop: () => {
          isDropped = true
          this.#held.delete(held)
        },
      }
      this.#held.add(held)
    })
  }
}

/**
 * A store in front of another one, which fails as disks and bytes from outside do, but only when a test says so. Without
 * faults it is as faithful as the store behind it. No timers: what is held waits for the test.
 *
 * @example
 * const store = new FaultyStore(new MemoryStore({ codec }))
 * const cache = createCache({ store, codec, memory: false })
 * store.decide = ({ kind }) => (kind === "get" ? "corrupt" : "pass")
 * await getUser(42) // loads: what was stored can't be read
 */
export class FaultyStore extends FaultyWrites implements LocalStore {
  get(key: string): Uint8Array | undefined {
    const operation: StoreOperation = { kind: "get", key }
    switch (this.ask(operation)) {
      case "fail":
        throw this.failure(operation)
      case "lose":
        return undefined
      case "corrupt": {
        const bytes = this.behind.get(key)
        return bytes && this.corrupt(copyBytes(bytes), key)
      }
      case "pass":
      case "hold":
      case "effectThenFail":
      case "mute":
        return this.behind.get(key)
    }
  }
}

function flipBit(bytes: Uint8Array): Uint8Array {
  const middle = bytes.byteLength >> 1
  bytes[middle] = (bytes[middle] ?? 0) ^ 1
  return bytes
}

import type { Clock } from "../base/clock.js"
import { inRootContext } from "../base/contexts.js"
import { asStoreError } from "../base/errors.js"
import type { Lifetime } from "../base/lifetime.js"
import type { Outbox } from "../base/outbox.js"
import type { EntryCodec, EntryHeader } from "../ports/codec.js"
import type { Amendment, Rank, Store } from "../ports/store.js"
import type { Version } from "../tags/version.js"
import type { Aging } from "./age.js"
import type { Entry } from "./table.js"

/** A sliding entry is written anew when this part of its time has passed. */
const SLIDE_PART = 1 / 8

/** The newest write of this process under a key; without bytes where it has removed the entry. */
export interface OwnWrite {
  readonly bytes: Uint8Array | undefined
  header?: EntryHeader | undefined
  /** Never rejects. */
  done?: Promise<unknown>
}

export interface SharedWritesOptions {
  readonly store: Store
  readonly codec: EntryCodec
  readonly clock: Clock
  readonly outbox: Outbox
  readonly lifetime: Lifetime
  /** Called as a write begins. Answers with what is to be called when the store has it. */
  readonly onWrite: (key: string, write: OwnWrite) => (() => void) | undefined
}

/**
 * Writes to the shared tier, all of them in the background. A process reads what it is writing: its own word on a key is the
 * newest for as long as the store has not answered. A write that fails is counted and told, and fails nobody's call.
 */
export class SharedWrites {
  readonly #options: SharedWritesOptions
  /** The newest write of each key that is under way. */
  readonly #underWay = new Map<string, OwnWrite>()

  constructor(options: SharedWritesOptions) {
    this.#options = options
  }

  /** The write of a key that is under way. */
  of(key: string): OwnWrite | undefined {
    return this.#underWay.size === 0 ? undefined : this.#underWay.get(key)
  }

  /** Resolves when the write of a key that is under way has ended. Never rejects. */
  async settled(key: string): Promise<void> {
    await this.of(key)?.done
  }

  /** Writes in the background; the promise is for who wants to know whether it was stored, and never rejects. */
  async put(key: string, bytes: Uint8Array): Promise<boolean> {
    const writing = inRootContext(() => this.#write(key, bytes, () => this.#options.store.put(key, bytes)))
    return (await writing) === true
  }

  /** The same for a value that was set by hand, when the log has given it its version. */
  putSet(key: string, bytes: Uint8Array, keyVersion: Version): Promise<void> {
    try {
      this.#options.codec.amend(bytes, { keyVersion })
    } catch (error) {
      this.#failed(error, key)
      return Promise.resolve()
    }
    return this.put(key, bytes).then(() => {})
  }

  /** A load's result is not kept, but is the newest word on its key. */
  remove(key: string, rank: Rank): void {
    void inRootContext(() => this.#write(key, undefined, () => this.#options.store.remove(key, rank)))
  }

  /** Until it is done, this process reads what it has written: `undefined` for what it has removed. */
  #write(key: string, bytes: Uint8Array | undefined, write: () => Promise<unknown>): Promise<unknown> {
    // Each write has its own: two may write the same.
    const word: OwnWrite = { bytes }
    this.#underWay.set(key, word)
    const onWritten = this.#options.onWrite(key, word)
    const done = this.#end(key, word, write, onWritten)
    word.done = done
    return done
  }

  async #end(
    key: string,
    word: OwnWrite,
    write: () => Promise<unknown>,
    onWritten: (() => void) | undefined,
  ): Promise<unknown> {
    try {
      const answer = await write()
      if (answer !== false) onWritten?.()
      return answer
    } catch (error) {
      this.#failed(error, key)
      return undefined
    } finally {
      if (this.#underWay.get(key) === word) this.#underWay.delete(key)
    }
  }

  /** A touch that fails is lost, which only brings an end forward. */
  touch(key: string, rank: Rank, amendment: Amendment): void {
    try {
      void inRootContext(() =>
        this.#options.store.touch(key, rank, amendment).catch((error: unknown) => this.#failed(error, key)),
      )
    } catch (error) {
      this.#failed(error, key)
    }
  }

  /** A sliding entry goes to the store with its present end. */
  noteWritten(aging: Aging, rank: Rank): void {
    if (aging.idleTtlMs === Number.POSITIVE_INFINITY) return
    aging.shared = { rank, idleUntilMs: this.#options.clock.wall() + aging.idleTtlMs }
  }

  /** A sliding entry was used in memory: others, and this process after a restart, must see it slide too. */
  slide(entry: Entry): void {
    const { aging } = entry
    const shared = aging?.shared
    if (aging === null || shared === undefined) return
    const wallMs = this.#options.clock.wall()
    if (wallMs + aging.idleTtlMs - shared.idleUntilMs < aging.idleTtlMs * SLIDE_PART) return
    shared.idleUntilMs = wallMs + aging.idleTtlMs
    this.touch(entry.table.keyOf(entry.id), shared.rank, { idleUntilMs: shared.idleUntilMs })
  }

  #failed(error: unknown, key: string): void {
    if (this.#options.lifetime.isOver) return
    this.#options.outbox.fault(asStoreError("write", error), key)
  }
}

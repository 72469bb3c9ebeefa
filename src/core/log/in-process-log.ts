import type { Clock } from "../base/clock.js"
import { changeId, isOfTags } from "../ports/change.js"
import type { AppendReply, LocalLog, LogChange, LoggedChange, LogNews, LogPosition, PullReply } from "../ports/log.js"
import { type Epoch, isSameEpoch, NO_VERSION, nextVersion, type Version } from "../tags/version.js"

export interface InProcessLogOptions {
  readonly clock: Clock
  /** A random part for the epoch: 1–32 characters of `A–Z a–z 0–9 _ -`. */
  readonly nonce: string
  /**
   * How many tags keep their newest version, and how many keys. 0 is right for a log with a single reader, which knows everything that it
   * appended; caches that share one log need room for what the other has not read yet.
   */
  readonly maxTags?: number | undefined
}

/** The log of a single process: synchronous, no I/O, gone with the process. */
export class InProcessLog implements LocalLog {
  readonly local = true
  readonly #clock: Clock
  readonly #epoch: Epoch
  readonly #maxTags: number
  // In the order of their versions: a path that changes again is deleted and set anew. Keys have a budget of their own.
  readonly #tags = new Map<string, LoggedChange>()
  readonly #keys = new Map<string, LoggedChange>()
  readonly #listeners = new Set<(news: LogNews) => void>()
  #head: Version = NO_VERSION
  #floor: Version = NO_VERSION
  #keyFloor: Version = NO_VERSION

  constructor(options: InProcessLogOptions) {
    this.#clock = options.clock
    this.#maxTags = options.maxTags ?? 0
    this.#epoch = { ordinal: Math.floor(options.clock.wall() / 1000), nonce: options.nonce }
  }

  append(changes: readonly LogChange[], _position: LogPosition, origin: string): AppendReply {
    const previousHead = this.#head
    const version = nextVersion(this.#clock.wall(), previousHead)
    this.#head = version
    for (const change of changes) this.#remember(change, version, origin)
    if (this.#listeners.size > 0) {
      const news = { epoch: this.#epoch, version, previousHead, changes, origin }
      for (const listener of this.#listeners) listener(news)
    }
    return { epoch: this.#epoch, version, previousHead }
  }

  pull(position: LogPosition): PullReply {
    const isKnown = position.epoch !== undefined && isSameEpoch(position.epoch, this.#epoch)
    const after = isKnown ? position.cursor : NO_VERSION
    const changes: LoggedChange[] = []
    for (const newest of [this.#tags, this.#keys]) {
      for (const change of newest.values()) if (change.version > after) changes.push(change)
    }
    return { epoch: this.#epoch, head: this.#head, floor: this.#floor, keyFloor: this.#keyFloor, changes }
  }

  listen(onNews: (news: LogNews) => void): () => void {
    this.#listeners.add(onNews)
    return () => this.#listeners.delete(onNews)
  }

  close(): void {
    this.#listeners.clear()
  }

  #remember(change: LogChange, version: Version, origin: string): void {
    if (this.#maxTags === 0) {
      this.#forget(change, version)
      return
    }
    const id = changeId(change)
    const newest = isOfTags(change) ? this.#tags : this.#keys
    newest.delete(id)
    newest.set(id, { kind: change.kind, path: change.path, version, origin })
    if (newest.size > this.#maxTags) {
      const oldest = newest.entries().next().value as [string, LoggedChange]
      newest.delete(oldest[0])
      this.#forget(oldest[1], oldest[1].version)
    }
  }

  #forget(change: LogChange, version: Version): void {
    if (isOfTags(change)) this.#floor = version
    else this.#keyFloor = version
  }
}

import { LogError } from "../core/base/errors.js"
import { afterIo } from "../core/base/machine.js"
import { changeId } from "../core/ports/change.js"
import type {
  AppendReply,
  LogChange,
  LoggedChange,
  LogNews,
  LogPosition,
  PullReply,
  RemoteLog,
} from "../core/ports/log.js"
import { isSameEpoch, NO_VERSION, type Version } from "../core/tags/version.js"
import { type Database, listRows, readRow } from "./database.js"
import { HeadCache } from "./head-cache.js"
import { after, type ChangeClass, type Head, headKey, indexAbove, readIndexRow } from "./layout.js"
import { hasLostHistory, type LogBudget } from "./log-rows.js"
import type { LogAppend } from "./protocol.js"
import type { Tenancy, TenancyListener } from "./tenancy.js"

/** How often the path of the file is looked at while nobody pulls. */
const CHECK_MS = 250
/** Rows that a pull reads at once; others run in between. */
const PAGE = 500
/** Changes that a look reads at most: some ten milliseconds in which nothing else runs. */
const MOST_LOOKED_AT = 5000

/** The log of one prefix as one cache has it. */
export class LmdbLog implements RemoteLog, TenancyListener {
  readonly local = false
  readonly endsAppends = true
  readonly #tenancy: Tenancy
  readonly #budget: LogBudget
  readonly #listeners = new Set<(news?: LogNews) => void>()
  readonly #headKey: Buffer
  readonly #heads = new HeadCache()
  #checkedMs = Number.NEGATIVE_INFINITY
  #isRenewing = false
  /** From where there was too much to look at. */
  #behind: { readonly space: number; readonly cursor: Version } | undefined
  #news: LogNews[] = []
  #isClosed = false

  constructor(tenancy: Tenancy, budget: LogBudget) {
    this.#tenancy = tenancy
    this.#budget = budget
    this.#headKey = headKey(tenancy.prefix)
    tenancy.listen(this)
  }

  async append(changes: readonly LogChange[], position: LogPosition, origin: string): Promise<AppendReply> {
    if (this.#isClosed) throw closed("append")
    const { prefix } = this.#tenancy
    // A copy: the caller's array is the caller's, and the thread gets it only at the end of this turn.
    const copy = changes.map(({ kind, path }) => ({ kind, path }))
    const write = {
      type: "append",
      prefix,
      changes: copy,
      position: copyOf(position),
      origin,
      budget: this.#budget,
    } as const
    return (await this.#tenancy.writeLog(write)) as AppendReply
  }

  look(position: LogPosition): PullReply | "behind" | undefined {
    if (this.#isClosed) throw closed("look")
    const { clock } = this.#tenancy
    const nowMs = clock.now()
    if (!(nowMs - this.#checkedMs < CHECK_MS)) {
      this.#checkedMs = nowMs
      this.#tenancy.checkPath()
    }
    const database = this.#tenancy.reader()
    database.resetReadTxn()
    const head = this.#head(database)
    if (head.head === position.cursor && isOf(head, position)) return undefined
    if (hasLostHistory(head, position)) {
      this.#renew(position)
      const seen = `${position.epoch?.ordinal}/${position.cursor}`
      throw new LogError(
        "look",
        `its history was lost: ${seen} was seen before, and now it is at ${head.epoch.ordinal}/${head.head}. A new epoch begins`,
      )
    }
    const cursor = isOf(head, position) ? position.cursor : NO_VERSION
    // Less it will not be, and the pull is on its way.
    if (this.#behind?.space === head.space && this.#behind.cursor === cursor) return "behind"
    const changes: LoggedChange[] = []
    for (const of of [0, 1] as const) {
      const left = MOST_LOOKED_AT + 1 - changes.length
      if (left > 0) readPage(database, head.space, of, cursor, undefined, left, (change) => changes.push(change))
    }
    if (changes.length > MOST_LOOKED_AT) {
      this.#behind = { space: head.space, cursor }
      return "behind"
    }
    this.#behind = undefined
    return replyOf(head, changes)
  }

  async pull(position: LogPosition): Promise<PullReply> {
    if (this.#isClosed) throw closed("pull")
    const own = copyOf(position)
    this.#tenancy.checkPath()
    for (;;) {
      await this.#tenancy.ready()
      if (this.#isClosed) throw closed("pull")
      const database = this.#tenancy.reader()
      database.resetReadTxn()
      const head = this.#head(database)
      if (hasLostHistory(head, own)) {
        await this.#tenancy.writeLog({ type: "renew", prefix: this.#tenancy.prefix, position: own })
        continue
      }
      const reply = await this.#readAll(head, isOf(head, own) ? own.cursor : NO_VERSION)
      if (reply !== undefined) return reply
    }
  }

  listen(onNews: (news?: LogNews) => void): () => void {
    const listener = (news?: LogNews) => onNews(news)
    if (!this.#isClosed) this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#listeners.clear()
    await this.#tenancy.leave("log")
  }

  /** The file was opened, perhaps anew: there may be something to pull. */
  onReady(): void {
    this.#ring()
  }

  /** Someone in this process has appended. Told later: who did it learns it from the reply. */
  onAppended({ changes, origin }: LogAppend, reply: AppendReply): void {
    if (this.#listeners.size === 0) return
    if (this.#news.length === 0) afterIo(() => this.#tellNews())
    this.#news.push({ ...reply, changes, origin })
  }

  #tellNews(): void {
    const told = this.#news
    this.#news = []
    for (const news of told) for (const listener of this.#listeners) listener(news)
  }

  #ring(): void {
    for (const listener of this.#listeners) listener()
  }

  #renew(position: LogPosition): void {
    if (this.#isRenewing) return
    this.#isRenewing = true
    this.#tenancy
      .writeLog({ type: "renew", prefix: this.#tenancy.prefix, position: copyOf(position) })
      .then(
        () => this.#ring(),
        // The next pull will see for itself.
        () => {},
      )
      .finally(() => {
        this.#isRenewing = false
      })
  }

  #head(database: Database): Head {
    const row = readRow(database, this.#headKey)
    if (row === undefined) throw new LogError("read", "its rows are gone")
    const head = this.#heads.read(row)
    this.#tenancy.seen(head)
    return head
  }

  /**
   * All changes above a cursor, in pages, with other work in between. A path that changes meanwhile moves to the end and is
   * met again there; the last page is read together with the head that it reaches, so nothing is missed up to that head.
   * Undefined if the log began a new epoch on the way.
   */
  async #readAll(first: Head, cursor: Version): Promise<PullReply | undefined> {
    const found = new Map<string, LoggedChange>()
    const next: [Buffer | undefined, Buffer | undefined] = [undefined, undefined]
    let left = PAGE
    const readOn = (database: Database, of: ChangeClass) => {
      const note = (change: LoggedChange) => found.set(changeId(change), change)
      const page = readPage(database, first.space, of, cursor, next[of], left, note)
      next[of] = page.next ?? next[of]
      left -= page.count
    }
    for (let isFirst = true; ; isFirst = false) {
      if (!isFirst) await new Promise<void>((resolve) => afterIo(resolve))
      const database = this.#tenancy.reader()
      if (!isFirst) database.resetReadTxn()
      const head = this.#head(database)
      if (head.space !== first.space) return undefined
      left = PAGE
      readOn(database, 0)
      if (left > 0) readOn(database, 1)
      if (left > 0) return replyOf(head, [...found.values()])
    }
  }
}

/** `from`: behind which row to go on. Answers where the next page begins. */
function readPage(
  database: Database,
  space: number,
  of: ChangeClass,
  cursor: Version,
  from: Buffer | undefined,
  limit: number,
  note: (change: LoggedChange) => void,
): { readonly count: number; readonly next: Buffer | undefined } {
  const { start, end } = indexAbove(space, of, cursor)
  const rows = listRows(database, { start: from ?? start, end, limit })
  for (const { key, value } of rows) note(readIndexRow(key, value))
  const last = rows.at(-1)
  return { count: rows.length, next: last === undefined ? undefined : after(last.key) }
}

function replyOf({ epoch, head, floor, keyFloor }: Head, changes: readonly LoggedChange[]): PullReply {
  return { epoch, head, floor, keyFloor, changes }
}

function isOf(head: Head, { epoch }: LogPosition): boolean {
  return epoch !== undefined && isSameEpoch(epoch, head.epoch)
}

function copyOf({ epoch, cursor }: LogPosition): LogPosition {
  return { epoch: epoch === undefined ? undefined : { ordinal: epoch.ordinal, nonce: epoch.nonce }, cursor }
}

function closed(operation: string): LogError {
  return new LogError(operation, "it is closed")
}

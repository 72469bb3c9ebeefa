import { asLogError, CacheClosedError } from "../base/errors.js"
import { whole } from "../base/outbox.js"
import type { LocalLog, LogChange, LogNews } from "../ports/log.js"
import { formatToken, parseToken, type Token } from "../tags/version.js"
import type { Appended, LocalLogClient, LogClientOptions, SyncOptions } from "./log-client.js"
import { LogCursor } from "./log-cursor.js"

/** The client of a log that answers at once: nothing is ever under way, and everything known may be served. */
export class LocalClient implements LocalLogClient {
  readonly isLocal = true
  readonly pending = 0
  readonly #options: LogClientOptions<LocalLog>
  readonly #log: LocalLog
  readonly #cursor: LogCursor
  readonly #unlisten: () => void
  #isClosed = false

  constructor(options: LogClientOptions<LocalLog>) {
    const { log, ownsLog, trie, sink } = options
    this.#options = options
    this.#log = log
    this.#cursor = new LogCursor({ trie, sink })
    // A log of its own has nothing to tell that this client did not append.
    this.#unlisten = ownsLog ? () => {} : log.listen((news) => this.#hear(news))
    this.#cursor.begin(log.pull(this.#cursor.position()).epoch)
    trie.setTrusted(true)
    this.#pull()
  }

  confirmedAgoMs(): number {
    return 0
  }

  /** A local log is trusted from its first pull until the cache is closed. */
  checkTrust(): void {}

  append(changes: readonly LogChange[]): Promise<Token> {
    return Promise.resolve(this.appendLocally(changes).token)
  }

  /** Listeners to events hear of it when every cache that shares the log has applied it. */
  appendLocally(changes: readonly LogChange[]): Appended {
    return whole(() => this.#append(changes))
  }

  #append(changes: readonly LogChange[]): Appended {
    const { trie, sink, origin } = this.#options
    const { epoch, version, previousHead } = this.#log.append(changes, this.#cursor.position(), origin)
    // A log that other caches share has told its listeners before it returned, this one included.
    if (trie.cursor < version) {
      if (previousHead === trie.cursor) sink.take({ changes, version, by: origin, cursor: version })
      else this.#pull()
    }
    return { token: formatToken(epoch, version), version }
  }

  tokenOfNow(): Token {
    return this.#cursor.token()
  }

  async sync(token: Token | undefined, { signal }: SyncOptions): Promise<void> {
    const target = token === undefined ? undefined : parseToken(token)
    if (this.#isClosed) throw new CacheClosedError("sync")
    signal?.throwIfAborted()
    if (this.#cursor.hasReached(target)) return
    this.#pull()
    if (target !== undefined) this.#cursor.checkReached(target, token)
  }

  async catchUp(): Promise<void> {
    if (this.#isClosed) return
    try {
      this.#pull()
    } catch (error) {
      this.#options.sink.fault(asLogError("pull", error))
    }
  }

  async ready(): Promise<void> {
    if (this.#isClosed) throw new CacheClosedError("ready")
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#unlisten()
    if (this.#options.ownsLog) this.#log.close()
  }

  /** A gap is closed at once: a listener of one change may have appended another before all had heard of the first. */
  #hear(news: LogNews): void {
    if (!this.#isClosed && !this.#cursor.heard(news)) this.#pull()
  }

  #pull(): void {
    this.#cursor.pulled(this.#log.pull(this.#cursor.position()))
  }
}

import type { Clock } from "../base/clock.js"
import { CacheClosedError } from "../base/errors.js"
import { whole } from "../base/outbox.js"
import type { LogChange } from "../ports/log.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { formatToken, nextVersion, parseToken, type Token } from "../tags/version.js"
import type { Appended, LocalLogClient, SyncOptions } from "./log-client.js"
import type { ChangeSink } from "./news.js"
import { checkReached } from "./reached.js"

export interface OwnClientOptions {
  readonly trie: TagTrie
  readonly sink: Pick<ChangeSink, "take">
  readonly clock: Clock
  readonly origin: string
  /** The random part of the epoch. */
  readonly nonce: string
}

/** The order of the changes of a cache that is alone: there is no log, since nobody else would read it. */
export class OwnClient implements LocalLogClient {
  readonly isLocal = true
  readonly pending = 0
  readonly #options: OwnClientOptions
  #isClosed = false

  constructor(options: OwnClientOptions) {
    this.#options = options
    const { trie, clock, nonce } = options
    trie.adopt({ ordinal: Math.floor(clock.wall() / 1000), nonce })
    trie.setTrusted(true)
  }

  confirmedAgoMs(): number {
    return 0
  }

  /** What is known is all that there is, until the cache is closed. */
  checkTrust(): void {}

  append(changes: readonly LogChange[]): Promise<Token> {
    return Promise.resolve(this.appendLocally(changes).token)
  }

  appendLocally(changes: readonly LogChange[]): Appended {
    const { trie, sink, clock, origin } = this.#options
    return whole(() => {
      const version = nextVersion(clock.wall(), trie.cursor)
      sink.take({ changes, version, by: origin, cursor: version })
      return { token: formatToken(trie.epoch, version), version }
    })
  }

  tokenOfNow(): Token {
    const { trie } = this.#options
    return formatToken(trie.epoch, trie.cursor)
  }

  async sync(token: Token | undefined, { signal }: SyncOptions): Promise<void> {
    const target = token === undefined ? undefined : parseToken(token)
    if (this.#isClosed) throw new CacheClosedError("sync")
    signal?.throwIfAborted()
    if (target !== undefined) checkReached(this.#options.trie, target, token)
  }

  async catchUp(): Promise<void> {}

  async ready(): Promise<void> {
    if (this.#isClosed) throw new CacheClosedError("ready")
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }
}

import type { LogNews, LogPosition, PullReply } from "../ports/log.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { type Epoch, formatToken, isSameEpoch, type Token } from "../tags/version.js"
import type { ChangeSink } from "./news.js"
import { checkReached, hasReached, type Target } from "./reached.js"

export interface LogCursorOptions {
  readonly trie: TagTrie
  readonly sink: ChangeSink
}

/** The place of a client in its log: which life of it, how far it is applied, and what follows on that. */
export class LogCursor {
  protected readonly trie: TagTrie
  protected readonly sink: ChangeSink
  #hasEpoch = false
  /** The log has been pulled in this epoch. */
  #isRead = false

  constructor({ trie, sink }: LogCursorOptions) {
    this.trie = trie
    this.sink = sink
  }

  get hasEpoch(): boolean {
    return this.#hasEpoch
  }

  get isRead(): boolean {
    return this.#isRead
  }

  /** The position as of now. */
  position(): LogPosition {
    return { epoch: this.#hasEpoch ? this.trie.epoch : undefined, cursor: this.trie.cursor }
  }

  /** Names all that is applied here. */
  token(): Token {
    return formatToken(this.trie.epoch, this.trie.cursor)
  }

  hasReached(target: Target | undefined): boolean {
    return this.#hasEpoch && hasReached(this.trie, target)
  }

  /** Tells why a token names nothing that this log has. To be asked after a pull. @throws InvalidTokenError */
  checkReached(target: Target, token: Token | undefined): void {
    checkReached(this.trie, target, token)
  }

  /** Begins at the beginning of a life of the log. */
  begin(epoch: Epoch): void {
    this.#hasEpoch = true
    this.#isRead = false
    this.trie.adopt(epoch)
  }

  /** Applies what a pull has brought: everything up to its head. */
  pulled(reply: PullReply): void {
    const { cursor } = this.trie
    if (reply.head < cursor) return
    this.#isRead = true
    this.sink.take({
      changes: reply.changes.filter(({ version }) => version > cursor),
      by: "another process",
      cursor: reply.head,
      floors: { tags: reply.floor, keys: reply.keyFloor },
    })
  }

  /** Applies news. False if they don't follow on what is known, so that a pull is needed. */
  heard({ epoch, version, previousHead, changes, origin }: LogNews): boolean {
    const { trie } = this
    if (!isSameEpoch(epoch, trie.epoch)) return epoch.ordinal < trie.epoch.ordinal
    if (version <= trie.cursor) return true
    if (previousHead !== trie.cursor) return false
    this.sink.take({ changes, version, by: origin, cursor: version })
    return true
  }
}

import { assert } from "../base/assert.js"
import { KnownNames } from "./known-names.js"
import { NodeTable } from "./node-table.js"
import { type Mark, isPending, markOf, newestVersion, type SoftMark, softMarkOf, TagNode } from "./tag-node.js"
import { type Epoch, isVersion, NO_VERSION, type Version } from "./version.js"

/**
 * A state of the trie that something was found fresh in. A holder of the trie's current stamp is fresh, whatever the
 * number of its dependencies: the trie makes a new one with each change that could concern anything.
 */
export interface Stamp {
  readonly epoch: Epoch
  /** The cursor of that state. Moves up in place while no change concerns anyone. */
  asOf: Version
}

/** Says how far back a running load reaches; see {@link TagTrie.oldestLoadAsOf}. */
export interface TrieOptions {
  readonly epoch: Epoch
  readonly random: () => number
  /** The `asOf` of the oldest running load, Infinity without any. Marks above it may still be needed. */
  readonly oldestLoadAsOf: () => Version
  /** How many marks of tags that nothing refers to are kept, for positions taken before them. */
  readonly rememberedMarks: number
  /**
   * Entries of a shared tier may depend on anything: marks are kept for as long as the log keeps them, those of own keys
   * included.
   */
  readonly isShared: boolean
}

// Far beyond what is remembered, memory wins over a load that never settles: its result will not be stored.
const FORCED_FACTOR = 10

/** Beyond so many top-level names nobody is told of one that nothing depends on. */
const MOST_NAMES = 1000

// Segments of tags can't be empty nor hold a space, so nothing a user names can meet the reserved root.
const KEY_ROOT_SEGMENT = " keys"

interface Unreferenced {
  readonly node: TagNode
  readonly version: Version
}

/** Fields that only the trie changes. Others read them as plain fields: a hit looks at them. */
type Positions = { -readonly [Field in "cursor" | "floor" | "keyFloor" | "forgotten" | "logFloor"]: TagTrie[Field] }

/** The log as this process knows it: one node per tag segment, each with the version of its last invalidation. */
export class TagTrie {
  readonly root = new TagNode(null, "", 0)
  /** Own keys live below this: function name, then id. */
  readonly keyRoot: TagNode
  /** The state in which things are fresh now. */
  stamp: Stamp
  /**
   * The stamp that may be served from: the current one, or null while this process can't confirm that it is up to date.
   * A hit compares its entry's stamp with this and nothing else.
   */
  trusted: Stamp | null
  /** Newest version applied without gaps. Rises by {@link moveCursor}, falls with the epoch only. */
  readonly cursor: Version = NO_VERSION
  /** Nothing older can be confirmed: the log had forgotten what this process had not read. Rises by {@link raiseFloors}. */
  readonly floor: Version = NO_VERSION
  readonly keyFloor: Version = NO_VERSION
  /**
   * The newest version that this process forgot by itself. Concerns what brings its position from outside (a `set`, a
   * load), not entries in memory: those hold their nodes, so that nothing they depend on is forgotten.
   */
  readonly forgotten: Version = NO_VERSION
  /** The cache of this trie has private results. */
  hasSecrets = false
  /** Top-level names on which something ever depended. */
  readonly names = new KnownNames(MOST_NAMES)
  /** The same for tags in scopes, whichever: the first name below that of the scope. */
  readonly scopedNames = new KnownNames(MOST_NAMES)
  readonly #table: NodeTable
  readonly #options: TrieOptions
  /**
   * The version up to which the log itself has forgotten: nobody needs marks up to there for an entry of the shared
   * tier.
   */
  readonly logFloor: Version = NO_VERSION
  #logKeyFloor: Version = NO_VERSION
  #moment: Readonly<Stamp>
  // Marked nodes that nothing refers to, in the order in which they lost their last reference.
  #unreferenced: (Unreferenced | undefined)[] = []
  #firstUnreferenced = 0

  constructor(options: TrieOptions) {
    this.#options = options
    this.#table = new NodeTable(options.random)
    this.stamp = { epoch: options.epoch, asOf: NO_VERSION }
    this.trusted = this.stamp
    this.#moment = { ...this.stamp }
    this.keyRoot = this.#table.findOrAdd(this.root, KEY_ROOT_SEGMENT)
    this.keyRoot.uses = 1
  }

  get epoch(): Epoch {
    return this.stamp.epoch
  }

  /** The present place in the log, as a stamp that never moves: one for all that begin here. */
  get moment(): Readonly<Stamp> {
    if (this.#moment.asOf !== this.cursor || this.#moment.epoch !== this.epoch) {
      this.#moment = { epoch: this.epoch, asOf: this.cursor }
    }
    return this.#moment
  }

  /** How many nodes there are, without the two roots. */
  get size(): number {
    return this.#table.size - 1
  }

  /** How many marks are kept for nodes that nothing refers to. */
  get unreferenced(): number {
    return this.#unreferenced.length - this.#firstUnreferenced
  }

  /** The node of a path, made where there is none, with one more use. Give it back with {@link release}. */
  acquire(segments: readonly string[], from: TagNode = this.root): TagNode {
    let node = from
    for (let index = 0; index < segments.length; index += 1) node = this.#child(node, segments[index] as string)
    node.uses += 1
    return node
  }

  /**
   * The same for the tag of something that depends on it: its name is known from then on.
   *
   * @param depth how many of the segments are the tag of the scope.
   */
  acquireDependency(segments: readonly string[], depth = 0): TagNode {
    this.names.note(segments[0] as string)
    if (depth > 0 && segments.length > depth) this.scopedNames.note(segments[depth] as string)
    return this.acquire(segments)
  }

  acquireChild(parent: TagNode, segment: string): TagNode {
    const node = this.#child(parent, segment)
    node.uses += 1
    return node
  }

  find(segments: readonly string[], from: TagNode = this.root): TagNode | undefined {
    let node: TagNode | undefined = from
    for (let index = 0; index < segments.length && node !== undefined; index += 1) {
      node = this.#table.find(node, segments[index] as string)
    }
    return node
  }

  findChild(parent: TagNode, segment: string): TagNode | undefined {
    return this.#table.find(parent, segment)
  }

  /** Ends a use. A node without uses goes at once if it holds nothing, and later if it holds a mark. */
  release(node: TagNode): void {
    this.#unuse(node)
    if (this.unreferenced > this.#options.rememberedMarks) this.#forgetBeyond(this.#options.rememberedMarks)
  }

  /**
   * Sets a version on a node; an older one changes nothing. Follow with {@link moved} or {@link advanced}.
   *
   * @param nowMs when a soft change took effect, in the turn's time; a hard one has no use for it.
   */
  apply(node: TagNode, soft: boolean, version: Version, atWallMs: number, by: string, nowMs: number): void {
    const mark = markOf(node)
    const changes = soft ? softMarkOf(mark) : mark
    if (soft) {
      const softMark = changes as SoftMark
      if (version <= softMark.expired) return
      softMark.expired = version
      softMark.expiredAtMs = nowMs
    } else {
      if (version <= mark.invalidated) return
      mark.invalidated = version
    }
    changes.atWallMs = atWallMs
    changes.by = by
  }

  /**
   * Everything up to `version` is applied. An older one changes nothing: changes that were made while others were being
   * applied end first. Follow with {@link moved} or {@link advanced}.
   */
  moveCursor(version: Version): void {
    assert(isVersion(version), "a cursor was moved to something that is no version")
    if (version > this.cursor) (this as Positions).cursor = version
  }

  /** The log has forgotten changes that this process had not read. Follow with {@link moved}. */
  raiseFloors(floor: Version, keyFloor: Version): void {
    assert(isVersion(floor) && isVersion(keyFloor), "a floor was raised to something that is no version")
    ;(this as Positions).floor = Math.max(this.floor, floor)
    ;(this as Positions).keyFloor = Math.max(this.keyFloor, keyFloor)
  }

  /** Something changed that an entry, a load or a flight may depend on: what was fresh must be looked at again. */
  moved(): void {
    assert(this.stamp.asOf <= this.cursor, "the cursor fell below what was found fresh")
    const wasTrusted = this.trusted !== null
    this.stamp = { epoch: this.stamp.epoch, asOf: this.cursor }
    this.trusted = wasTrusted ? this.stamp : null
  }

  /** The cursor moved past changes that concern nothing: what was fresh stays so, as of the new cursor. */
  advanced(): void {
    assert(this.stamp.asOf <= this.cursor, "the cursor fell below what was found fresh")
    this.stamp.asOf = this.cursor
  }

  /** The log has forgotten changes up to these versions, so they may be forgotten here too. */
  logForgot(floor: Version, keyFloor: Version): void {
    ;(this as Positions).logFloor = Math.max(this.logFloor, floor)
    this.#logKeyFloor = Math.max(this.#logKeyFloor, keyFloor)
  }

  adopt(epoch: Epoch): void {
    // Versions of two epochs can't be compared: what is known of the old one would only mislead.
    const none: Positions = {
      cursor: NO_VERSION,
      floor: NO_VERSION,
      keyFloor: NO_VERSION,
      forgotten: NO_VERSION,
      logFloor: NO_VERSION,
    }
    Object.assign(this, none)
    this.#logKeyFloor = NO_VERSION
    for (const { mark } of [this.root, ...this.#table]) {
      if (mark === null) continue
      mark.invalidated = NO_VERSION
      if (mark.soft !== null) mark.soft.expired = NO_VERSION
    }
    this.stamp = { epoch, asOf: NO_VERSION }
    this.trusted = null
  }

  setTrusted(isTrusted: boolean): void {
    this.trusted = isTrusted ? this.stamp : null
  }

  /** The newest invalidation of a tag, also through its ancestors; 0 if it never was. */
  versionOf(segments: readonly string[]): Version {
    // A mark that was forgotten may have been of any node that has none of its own.
    const of = (node: TagNode) => node.mark?.invalidated || this.forgotten
    let newest = of(this.root)
    let node: TagNode | undefined = this.root
    for (const segment of segments) {
      node = this.#table.find(node, segment)
      if (node === undefined) return Math.max(newest, this.forgotten)
      newest = Math.max(newest, of(node))
    }
    return newest
  }

  /** Forgets marks that nothing refers to, beyond the newest `keep` and, with `before`, only older ones. Counts them. */
  forget(keep: number, before: Version = Number.POSITIVE_INFINITY): number {
    const count = this.unreferenced
    this.#forgetBeyond(keep, before)
    // Marks that were renewed since they were noted have been noted anew by now.
    this.#forgetBeyond(keep, before)
    return count - this.unreferenced
  }

  /** Every node, for the structural check and for `status()`. */
  nodes(): Iterable<TagNode> {
    return this.#table
  }

  #child(parent: TagNode, segment: string): TagNode {
    const node = this.#table.findOrAdd(parent, segment)
    // A node that was just made, or comes back from those that nothing refers to, has its parent counted either way:
    // a node counts in its parent for as long as it is in the table.
    if (node.uses === 0 && node.mark === null) this.#countInParent(node)
    return node
  }

  #countInParent(node: TagNode): void {
    ;(node.parent as TagNode).uses += 1
  }

  #unuse(node: TagNode): void {
    node.uses -= 1
    assert(node.uses >= 0, "a tag was released more often than it was acquired")
    let at: TagNode = node
    while (at.uses === 0 && at.parent !== null) {
      if (at.mark !== null) {
        if (!at.mark.isQueued) {
          at.mark.isQueued = true
          this.#unreferenced.push({ node: at, version: newestVersion(at.mark) })
        }
        return
      }
      this.#table.remove(at)
      at = at.parent
      at.uses -= 1
      assert(at.uses >= 0, "a tag has fewer uses than children")
    }
  }

  #forgetBeyond(keep: number, before: Version = Number.POSITIVE_INFINITY): void {
    const oldestLoad = this.#options.oldestLoadAsOf()
    const mostEver = this.#options.rememberedMarks * FORCED_FACTOR
    let postponed = 0
    while (this.unreferenced - postponed > keep) {
      const record = this.#unreferenced[this.#firstUnreferenced] as Unreferenced
      const { node } = record
      const mark = node.mark as Mark
      const version = newestVersion(mark)
      const isCurrent = node.uses === 0 && !isPending(node) && version === record.version
      if (isCurrent && version > before) return
      if (isCurrent && this.#options.isShared && version > this.#floorOf(node)) return
      if (isCurrent && version > oldestLoad && this.unreferenced <= mostEver) return
      this.#shiftUnreferenced()
      if (node.uses > 0) {
        mark.isQueued = false
      } else if (isCurrent) {
        ;(this as Positions).forgotten = Math.max(this.forgotten, version)
        node.mark = null
        this.#table.remove(node)
        this.#unuse(node.parent as TagNode)
      } else {
        // Marked again since, or still on its way: it goes to the end of the queue.
        this.#unreferenced.push({ node, version })
        postponed += 1
      }
    }
  }

  #floorOf(node: TagNode): Version {
    let top = node
    while (top.parent !== null && top.parent !== this.root) top = top.parent
    return top === this.keyRoot ? this.#logKeyFloor : this.logFloor
  }

  #shiftUnreferenced(): void {
    this.#unreferenced[this.#firstUnreferenced] = undefined
    this.#firstUnreferenced += 1
    if (this.#firstUnreferenced > 1024 && this.#firstUnreferenced * 2 > this.#unreferenced.length) {
      this.#unreferenced = this.#unreferenced.slice(this.#firstUnreferenced)
      this.#firstUnreferenced = 0
    }
  }
}

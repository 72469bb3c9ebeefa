import { Background } from "../base/background.js"
import { inRootContext } from "../base/contexts.js"
import type { Lifetime } from "../base/lifetime.js"
import { Outbox } from "../base/outbox.js"
import { randomName } from "../base/random-name.js"
import { LOOKS_PER_READING, Turn } from "../base/turn.js"
import { Entries } from "../entries/entries.js"
import { Tables } from "../entries/tables.js"
import { restContext } from "../loads/frame.js"
import { Launcher } from "../loads/launcher.js"
import { LoadQueue } from "../loads/load-queue.js"
import { RunningLoads } from "../loads/running.js"
import { type Behaviour, type CacheSettings, hasBacking } from "../options/settings.js"
import type { ReadContext } from "../reads/context.js"
import { Reader } from "../reads/reader.js"
import { TagTrie } from "../tags/tag-trie.js"
import { LatestSets } from "../writes/latest-sets.js"
import { Preparer } from "../writes/prepare.js"
import { SetsByHand } from "../writes/set-batch.js"
import { Writer } from "../writes/writer.js"
import { ALONE, type Backing } from "./backing.js"
import type { Changes } from "./changes.js"
import { Hints } from "./hints.js"
import { sharedParts } from "./parts-at-hand.js"

/** Marks of tags that nothing refers to which are kept, for positions taken before them. */
const REMEMBERED_MARKS = 10_000

/** The parts of one cache, put together. */
export interface OpenCache extends ReadContext {
  readonly tables: Tables
  readonly changes: Changes
  readonly queue: LoadQueue
  readonly hints: Hints
  readonly reader: Reader
  readonly writer: Writer
  /** Throws `InvalidOptionError` where single flight is to reach further than it can. */
  checkLease(behaviour: Behaviour): void
  /** Ends everything that the cache holds. Twice is fine. */
  close(): Promise<void>
}

/** Opens a cache. In the root context: what it makes outlives the request that happened to need it first. */
export function openCache(settings: CacheSettings): OpenCache {
  return inRootContext(() => open(settings))
}

/** The parts that hold state, which the others are made of. */
type State = Pick<
  ReadContext,
  "settings" | "clock" | "turn" | "trie" | "outbox" | "background" | "lifetime" | "entries" | "held" | "running"
> & {
  readonly tables: Tables
  readonly latestSets: LatestSets
}

/** Puts the parts together, each after those that it is given, so that nothing is used before it exists. */
function open(settings: CacheSettings): OpenCache {
  const outbox = new Outbox(settings.prefix, settings.onFault)
  const backing = hasBacking(settings) ? sharedParts().openBacking(settings, outbox) : ALONE
  try {
    return openOn(backing, settings, outbox)
  } catch (error) {
    closeAll(backing.abandon()).catch(() => {})
    throw error
  }
}

function openOn(backing: Backing, settings: CacheSettings, outbox: Outbox): OpenCache {
  const { clock, random } = settings
  const { tables, latestSets, ...state } = openState(settings, outbox, backing)
  const { turn, trie, lifetime, entries, running } = state
  const origin = randomName(random)
  const { changes, client } = backing.follow({ ...state, tables, latestSets, origin, random })
  const { shared, encoder, leasing } = backing.share({ ...state, client })
  const queue = new LoadQueue(settings.maxLoads)
  const launcher = new Launcher({ ...state, shared, encoder, queue, leasing })
  const reader = new Reader({ ...state, shared, client, launcher })
  const { ackTimeoutMs } = settings
  const sets = new SetsByHand({ trie, clock, ackTimeoutMs, running, entries, latest: latestSets, shared })
  const preparer = new Preparer({ settings, trie, turn, outbox, entries, encoder })
  const writer = new Writer({ ...state, client, preparer, sets })
  let closed: Promise<void> | undefined
  turn.watch((isNewTurn) => {
    restContext()
    if (!lifetime.isOver) client.checkTrust(isNewTurn, turn.readAtMs)
  })
  return {
    ...state,
    shared,
    client,
    tables,
    changes,
    queue,
    hints: new Hints({ trie, manual: tables.manual, tellsUnknownTags: !settings.isProduction }),
    launcher,
    reader,
    writer,
    checkLease: (behaviour) => backing.checkLease(behaviour),
    close: () => {
      closed ??= closeAll([
        () => {
          launcher.close()
          lifetime.isOver = true
          trie.setTrusted(false)
          // Functions outlive their cache; what it stored does not have to.
          entries.close()
        },
        () => client.close(),
        ...backing.closing,
      ])
      return closed
    },
  }
}

function openState(settings: CacheSettings, outbox: Outbox, backing: Backing): State {
  const { clock, random, behaviour } = settings
  const lifetime: Lifetime = { isOver: false }
  const turn = new Turn(clock, backing.looksAtLog ? 0 : LOOKS_PER_READING)
  const trie: TagTrie = new TagTrie({
    epoch: { ordinal: 0, nonce: "none" },
    random,
    oldestLoadAsOf: () => running.oldest?.stamp.asOf ?? Number.POSITIVE_INFINITY,
    rememberedMarks: REMEMBERED_MARKS,
    isShared: backing.isShared,
  })
  const held = backing.hold({ trie, clock })
  const background = new Background(settings.waitUntil, outbox)
  const intake = { behaviour, sizeOf: undefined, validate: undefined, hasAbsences: false }
  const tables = new Tables({ trie, outbox, intake })
  const entries = new Entries({ settings, clock, turn, trie, tables, outbox, lifetime, held })
  const running = new RunningLoads({ trie, turn, entries })
  const latestSets = new LatestSets()
  return { settings, clock, turn, trie, outbox, background, lifetime, held, tables, entries, running, latestSets }
}

/** Closes one after the other, all of them, whatever one throws; then throws what the first threw. */
async function closeAll(closing: readonly (() => Promise<void> | void)[]): Promise<void> {
  let failure: { readonly error: unknown } | undefined
  for (const close of closing) {
    try {
      // Without a wait that is not needed: parts that close at once are closed when the call returns.
      const closed = close()
      if (closed !== undefined) await closed
    } catch (error) {
      failure ??= { error }
    }
  }
  if (failure !== undefined) throw failure.error
}

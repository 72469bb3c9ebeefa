import type { Clock } from "../base/clock.js"
import type { Turn } from "../base/turn.js"
import type { Entries } from "../entries/entries.js"
import type { Entry } from "../entries/table.js"
import { KEEP, type Previous } from "../options/revalidate.js"
import { nodesOf } from "../tags/dependencies.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { cloneValue } from "../values/clone-value.js"
import { isThenable } from "../values/thenable.js"
import type { Definition } from "./definition.js"
import { isInTransaction } from "./frame.js"
import type { Kept, Run } from "./run.js"

/** The hook `revalidate`, without its types. */
export type Revalidate = (previous: Previous<unknown>, ...args: readonly unknown[]) => unknown

export interface RevalidateContext {
  readonly trie: TagTrie
  readonly turn: Turn
  readonly clock: Clock
  readonly entries: Entries
}

/**
 * A loader that asks `revalidate` where there is a previous value that its own source can vouch for. The value is looked for
 * as the load begins, when its place in the log is taken: from then on the load depends on nothing that it does not.
 */
export function revalidating(
  load: Definition["load"],
  revalidate: Revalidate,
  context: RevalidateContext,
): Definition["load"] {
  return (self, args, run) => {
    const found = run === undefined ? undefined : previousOf(run, context)
    if (found === undefined) return load(self, args, run)
    const answer = revalidate.call(self, found.previous, ...args)
    const settle = (value: unknown): unknown => (value === KEEP ? found.keep() : value)
    return isThenable(answer) ? Promise.resolve(answer).then(settle) : settle(answer)
  }
}

interface FoundPrevious {
  readonly previous: Previous<unknown>
  /** Makes the value the result of the load. */
  readonly keep: () => unknown
}

function previousOf(run: Run, { trie, turn, clock, entries }: RevalidateContext): FoundPrevious | undefined {
  const [load] = run.loads
  const entry = load?.table.entries.get(load.id)
  // Invalidations of a transaction hold for its own loads: they begin from nothing.
  if (entry === undefined || isInTransaction(run, trie) || !entries.isPrevious(entry)) return undefined
  const { value } = entry
  const kept = keptOf(entry)
  const storedAt = new Date(clock.wall() - (turn.current() - entries.bornMs(entry)))
  const shown = entry.rare?.isCloned === true ? cloneValue(value) : value
  return {
    previous: { value: shown, storedAt },
    keep: () => {
      run.keep(kept)
      return value
    },
  }
}

function keptOf({ dependencies, rare }: Entry): Kept {
  const sources = rare?.sources ?? { inherited: [], latestExpiryMs: Number.POSITIVE_INFINITY }
  return { dependencies: nodesOf(dependencies), sources, isSecret: rare?.isSecret === true }
}

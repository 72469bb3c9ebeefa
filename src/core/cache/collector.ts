import type { Scope } from "../tags/scope.js"
import type { Token } from "../tags/version.js"
import { attempt } from "./definition.js"
import type { OpenCache } from "./open.js"

/** Invalidations gathered where there is no function to wrap, such as the hooks of an ORM. */
export interface Collector {
  add(...tags: string[]): void
  /** Appends what was added, in one go. A second call appends what was added since. The token is undefined inside a transaction. */
  commit(): Promise<Token | undefined>
  /** Forgets what was added. */
  drop(): void
}

/** A collector of tags as a scope names them. */
export function collectorOf({ writer, hints }: OpenCache, scope: Scope): Collector {
  let paths = new Set<string>()
  return {
    add: (...tags) => {
      hints.tags(scope, tags, "add")
      for (const path of tags.map((tag) => scope.path(tag))) paths.add(path)
    },
    commit: () =>
      attempt(() => {
        const gathered = [...paths]
        paths = new Set()
        return writer.appendTags(gathered)
      }),
    drop: () => {
      paths = new Set()
    },
  }
}

/**
 * What several processes did to one cache, and whether anything of it breaks the promise.
 *
 * A value tells when its load began and which rows it read; a change tells when it was called, when it held in its own
 * process, and when it was acknowledged. All times come from one clock of the machine. Whatever was read after a change
 * of one of its dependencies had been acknowledged anywhere must come from a load that began after that change was
 * called. "After" is what the reading process can tell: news from elsewhere reach it in a callback of its event loop,
 * so a read counts as made when that callback began, and 5 ms ago at the earliest.
 */

/** How often each process has counted a row up: each has a column of its own, so that no two writes race. */
export type Row = readonly number[]

/** What the cached functions return. */
export interface Value {
  /** Different for each load and each value that was set by hand. */
  readonly id: string
  /** When its load began: after the cache had noted its position. */
  readonly beganNs: number
  /** It was put into the cache by hand. */
  readonly isSet?: true
  readonly rows: Readonly<Record<number, Row>>
  /**
   * The entries that it was made of, by key, and when its loader had called for them: what happened to their keys
   * before, they reflect by themselves.
   */
  readonly used?: Readonly<Record<string, number>>
}

export interface Read {
  readonly kind: "read"
  readonly by: string
  readonly startedNs: number
  /** What had been acknowledged elsewhere by then, it must show. */
  readonly arrivedNs: number
  /** The token that it was made with: what had that, and what was acknowledged before that was called, it must show. */
  readonly presents?: string
  readonly what: string
  /** Tags that the value depends on; each of them implies those above it. */
  readonly tags: readonly string[]
  /** The key of its entry. */
  readonly key: string
  readonly value: Value
}

/** A tag was invalidated, a key deleted or set, or a function cleared, which is all keys that begin like its own. */
export interface Change {
  readonly kind: "change"
  readonly by: string
  readonly subject: { readonly tag: string } | { readonly key: string } | { readonly table: string }
  readonly calledNs: number
  /**
   * When the call returned: from then on it holds in the process that made it, acknowledged or not. Of what a transaction
   * collects: when that had ended.
   */
  readonly heldNs: number
  /** Undefined: it was not acknowledged, or its process did not live to see it. */
  readonly acknowledgedNs?: number
  /** The count that was written before the call. */
  readonly wrote?: { readonly row: number; readonly column: number; readonly count: number }
  /** The value that was set. */
  readonly valueId?: string
  /** What it was acknowledged with. */
  readonly token?: string
}

export type Happening = Read | Change

export interface Violation {
  readonly read: Read
  readonly change: Change
  readonly reason: string
}

/** Every read of something that it may no longer have got. The order of the happenings does not matter. */
export function findViolations(happenings: readonly Happening[]): Violation[] {
  const presented = changesByToken(happenings)
  const points = happenings.flatMap((happening): Point[] => {
    if (happening.kind === "read") {
      return [
        { ns: happening.startedNs, read: happening, scope: happening.by },
        { ns: happening.arrivedNs, read: happening, scope: EVERYWHERE },
        // What was acknowledged before a change was called comes before it in the order of changes.
        ...changesOf(happening, presented).map(({ calledNs }) => ({
          ns: calledNs,
          read: happening,
          scope: EVERYWHERE,
        })),
      ]
    }
    const held = { ns: happening.heldNs, change: happening, scope: happening.by }
    if (happening.acknowledgedNs === undefined) return [held]
    return [held, { ns: happening.acknowledgedNs, change: happening, scope: EVERYWHERE }]
  })
  // At the same moment the read goes first: it did not start after the change.
  points.sort((a, b) => a.ns - b.ns || Number("change" in a) - Number("change" in b))

  // A value that is set is as new as the set for its key, though not for its tags. While two sets overlap, either may
  // be the later one.
  const setNs = new Map<string, number>()
  for (const happening of happenings) {
    if (happening.kind === "change" && happening.valueId !== undefined && happening.acknowledgedNs !== undefined) {
      setNs.set(happening.valueId, happening.acknowledgedNs)
    }
  }
  const asNewAs = ({ value }: Read) => (value.isSet ? (setNs.get(value.id) ?? Number.POSITIVE_INFINITY) : value.beganNs)

  const known = new Map<string, Known>()
  const violations = new Map<Read, Violation>()
  for (const point of points) {
    if ("change" in point) {
      const id = `${point.scope} ${idOf(point.change.subject)}`
      known.set(id, learn(known.get(id), point.change))
    } else {
      const violation = judge(point.read, asNewAs(point.read), point.scope, known)
      if (violation !== undefined) violations.set(point.read, violation)
    }
  }
  for (const happening of happenings) {
    if (happening.kind !== "read") continue
    for (const change of changesOf(happening, presented)) {
      const alone = new Map([[`${EVERYWHERE} ${idOf(change.subject)}`, learn(undefined, change)]])
      const violation = judge(happening, asNewAs(happening), EVERYWHERE, alone)
      if (violation !== undefined) violations.set(happening, violation)
    }
  }
  return [...violations.values()]
}

const EVERYWHERE = "everywhere"

type Presented = ReadonlyMap<string, readonly Change[]>

/** Several changes may have been acknowledged at once. */
function changesByToken(happenings: readonly Happening[]): Presented {
  const tokens = new Set(happenings.map((happening) => (happening.kind === "read" ? happening.presents : undefined)))
  const changes = new Map<string, Change[]>()
  for (const happening of happenings) {
    if (happening.kind !== "change" || happening.token === undefined || !tokens.has(happening.token)) continue
    const same = changes.get(happening.token)
    if (same === undefined) changes.set(happening.token, [happening])
    else same.push(happening)
  }
  return changes
}

function changesOf({ presents }: Read, presented: Presented): readonly Change[] {
  return presents === undefined ? [] : (presented.get(presents) ?? [])
}

/** A moment at which something is read, or a change begins to hold: for reads in a process, or everywhere. */
interface Moment {
  readonly ns: number
  readonly scope: string
}

type Point = Moment & ({ readonly read: Read } | { readonly change: Change })

/** What holds for one subject. */
interface Known {
  /** The change that was called last. */
  readonly last: Change
  /** Of each row and column the change with the highest count. */
  readonly counts: ReadonlyMap<string, Change>
}

function learn(known: Known | undefined, change: Change): Known {
  const last = known !== undefined && known.last.calledNs > change.calledNs ? known.last : change
  const counts = known?.counts ?? new Map<string, Change>()
  const { wrote } = change
  if (wrote === undefined) return { last, counts }
  const column = `${wrote.row} ${wrote.column}`
  if ((counts.get(column)?.wrote?.count ?? -1) >= wrote.count) return { last, counts }
  return { last, counts: new Map(counts).set(column, change) }
}

function judge(read: Read, keyNs: number, scope: string, known: ReadonlyMap<string, Known>): Violation | undefined {
  const { beganNs, rows, used = {} } = read.value
  const subjects = new Map<string, number>()
  for (const tag of read.tags) for (const path of pathTo(tag)) subjects.set(idOf({ tag: path }), beganNs)
  for (const [key, asNewAsNs] of [...Object.entries(used), [read.key, keyNs] as const]) {
    for (const id of [idOf({ key }), idOf({ table: tableOf(key) })]) {
      subjects.set(id, Math.min(asNewAsNs, subjects.get(id) ?? Number.POSITIVE_INFINITY))
    }
  }

  for (const [subject, asNewAsNs] of subjects) {
    const found = known.get(`${scope} ${subject}`)
    if (found === undefined) continue
    if (asNewAsNs < found.last.calledNs) {
      return { read, change: found.last, reason: "the load began before the change was called" }
    }
    for (const change of found.counts.values()) {
      const { row, column, count } = change.wrote as NonNullable<Change["wrote"]>
      const shown = rows[row]?.[column]
      if (shown !== undefined && shown < count) {
        return { read, change, reason: `row ${row} was read with ${shown} where ${count} had been written` }
      }
    }
  }
  return undefined
}

/** A tag and all above it; the root is "". */
function pathTo(tag: string): string[] {
  const segments = tag.split(":")
  return ["", ...segments.map((_, index) => segments.slice(0, index + 1).join(":"))]
}

/** What the keys of a cached function begin with: `ƒ:name:version:`. */
export function tableOf(key: string): string {
  return key.split(":", 3).join(":")
}

function idOf(subject: Change["subject"]): string {
  if ("table" in subject) return `table ${subject.table}`
  return "tag" in subject ? `tag ${subject.tag}` : `key ${subject.key}`
}

/** For a failed expectation: the violation in words. */
export function describeViolation({ read, change, reason }: Violation): string {
  const us = (ns: number) => `${((ns - change.calledNs) / 1000).toFixed(1)} µs`
  const acknowledged = change.acknowledgedNs === undefined ? "unacknowledged" : us(change.acknowledgedNs)
  return [
    `${read.by} read ${read.what} (value ${read.value.id}): ${reason}.`,
    `${idOf(change.subject)} was called by ${change.by} at 0, held there at ${us(change.heldNs)}, acknowledged at ${acknowledged};`,
    `the load began at ${us(read.value.beganNs)}, the read at ${us(read.startedNs)}, its callback at ${us(read.arrivedNs)}.`,
  ].join(" ")
}

import { InvalidOptionError, type ZooCacheError } from "../base/errors.js"
import type { Outbox } from "../base/outbox.js"
import type { LogChange } from "../ports/log.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { parseFunctionKey } from "../values/function-key.js"
import type { EntryId } from "../values/id.js"
import { addCounts, type Counters, noCounts } from "./counters.js"
import { type Intake, MANUAL, Table, tableNameOf } from "./table.js"

export interface TablesOptions {
  readonly trie: TagTrie
  readonly outbox: Outbox
  readonly intake: Intake
}

/** An own key, as the log names it: its place in the trie, and its table where this process has one. */
export interface ResolvedKey {
  readonly table: Table | undefined
  readonly id: EntryId
  /** Below the root of keys. */
  readonly path: readonly string[]
}

/** Unnamed functions that would have the same name. */
interface Family {
  readonly called: string
  /** The number of the newest; the first has none in its name. */
  lastNumber: number
  size: number
}

/** The tables of one cache, by name. */
export class Tables {
  /** The table of all keys that are given by hand. */
  readonly manual: Table
  /** Counts of tables that are gone and whose name nobody has taken over. */
  readonly #retired = noCounts()
  readonly #byName = new Map<string, Table>()
  /** Unnamed functions that there are, by what they would all be called. */
  readonly #families = new Map<string, Family>()
  readonly #familyOf = new WeakMap<Table, Family>()
  /** The highest number that was given in a family which is gone. */
  #spentNumber = 0
  readonly #options: TablesOptions

  constructor(options: TablesOptions) {
    this.#options = options
    this.manual = this.#add(MANUAL, undefined)
  }

  [Symbol.iterator](): IterableIterator<Table> {
    return this.#byName.values()
  }

  find(functionName: string, version: string | number | undefined): Table | undefined {
    return this.#byName.get(tableNameOf(functionName, version))
  }

  /** A table under a name that is free. */
  add(functionName: string, version: string | number | undefined): Table {
    return this.#add(functionName, version)
  }

  /**
   * A table in place of another of its name: whatever the earlier one stored or is loading belongs to nobody. Counts go on.
   * The caller takes the entries out.
   */
  replace(table: Table): Table {
    this.#retire(table)
    return this.#add(table.functionName, table.version, table.counters)
  }

  /** Gives up a table that nobody can call any more. The caller takes the entries out. */
  drop(table: Table): void {
    if (table.isReplaced) return
    this.#retire(table)
    addCounts(this.#retired, table.counters)
  }

  /**
   * A table for a function that has no name: it is called `base`, or that with a number behind it. No name is given twice: a
   * store may still have entries of a function that is gone.
   */
  addUnnamed(base: string, version: string | number | undefined, inScope: (name: string) => string): Table {
    const called = `${inScope(base)} ${version ?? ""}`
    const family = this.#families.get(called) ?? { called, lastNumber: this.#spentNumber, size: 0 }
    let name: string
    do {
      family.lastNumber += 1
      name = inScope(family.lastNumber === 1 ? base : `${base}#${family.lastNumber}`)
    } while (this.find(name, version) !== undefined)
    const table = this.#add(name, version)
    family.size += 1
    this.#families.set(called, family)
    this.#familyOf.set(table, family)
    return table
  }

  /** Counts of all tables together, those that are gone included. */
  totals(): Counters {
    const total = { ...this.#retired }
    for (const table of this.#byName.values()) addCounts(total, table.counters)
    return total
  }

  /** The place of a change of a key or of a function; undefined for what is no key, which is told. */
  resolve(change: LogChange): ResolvedKey | undefined {
    try {
      if (change.kind === "function") {
        return { table: this.#byName.get(change.path), id: undefined, path: [change.path] }
      }
      const parts = parseFunctionKey(change.path)
      if (parts === undefined) return { table: this.manual, id: change.path, path: [MANUAL, change.path] }
      const name = tableNameOf(parts.name, parts.version)
      return { table: this.#byName.get(name), id: parts.id, path: [name, change.path.slice(name.length)] }
    } catch (error) {
      this.#options.outbox.fault(error as ZooCacheError)
      return undefined
    }
  }

  #add(functionName: string, version: string | number | undefined, counters?: Counters): Table {
    const { trie, outbox, intake } = this.#options
    const table = new Table({ trie, prefix: outbox.prefix, functionName, version, intake, counters })
    if (this.#byName.has(table.name)) throw new InvalidOptionError("name", functionName, "it is taken")
    this.#byName.set(table.name, table)
    return table
  }

  /** A name can be made of what a user chooses, such as a tenant: of families that are gone one number is left. */
  #leaveFamily(table: Table): void {
    const family = this.#familyOf.get(table)
    if (family === undefined) return
    family.size -= 1
    if (family.size > 0) return
    this.#families.delete(family.called)
    this.#spentNumber = Math.max(this.#spentNumber, family.lastNumber)
  }

  #retire(table: Table): void {
    table.isReplaced = true
    this.#byName.delete(table.name)
    this.#options.trie.release(table.keyNode)
    this.#leaveFamily(table)
  }
}

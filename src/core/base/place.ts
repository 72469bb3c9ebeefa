/** A function of this library that users call. */
type Entry = (...args: never[]) => unknown

/** A method of this library that users call. */
export function entryOf<Name extends string>(of: { readonly [name in Name]: Entry }, name: Name): Entry {
  return of[name]
}

/** The place of a definition in the source, by which one definition that ran twice is told from two definitions. */
export interface Place {
  /** The path of the script, without what is appended to its address to have it loaded again. */
  readonly file: string
  /** The module in it, where a bundler evaluates modules one by one and says which. */
  readonly moduleId: string | undefined
  readonly line: number
  readonly column: number
  /** The code of a module itself, and of no function in it, as far as the names of frames tell. */
  readonly isModuleLevel: boolean
  /** The same for all that runs without a pause. */
  readonly stretch: object
  /** A hash of the text of the script, where the engine has one. */
  readonly textHash: () => string | undefined
}

/**
 * The relation of a second definition to an earlier one:
 * - `"again"`: the same place ran twice, once per instance or call.
 * - `"reloaded"`: the module was loaded anew, as hot reload does; nobody needs the earlier one any more.
 * - `"elsewhere"`: another place, such as another function, or a second copy of the module.
 * - `"unknown"`: there is nothing to tell by.
 */
export type Recurrence = "again" | "reloaded" | "elsewhere" | "unknown"

/** The two frames that a place is made of: its own, and the one that called it. */
const FRAMES = 2

/**
 * The place that called a function; undefined where the engine does not tell.
 *
 * @param entry the function of this library that is being called
 */
export function placeCalling(entry: Entry): Place | undefined {
  const [site, caller] = callSites(entry)
  const address = addressOf(site)
  if (site === undefined || address === undefined) return undefined
  return {
    ...scriptOf(address),
    line: site.getLineNumber() ?? 0,
    column: site.getColumnNumber() ?? 0,
    isModuleLevel: isModuleLevel(site.getFunctionName(), addressOf(caller)),
    stretch: currentStretch(),
    // Asked for only where a name is taken: to hash a large bundle takes milliseconds.
    textHash: () => (site as Partial<NodeJS.CallSite>).getScriptHash?.(),
  }
}

/** Under it the options of a definition carry the place of one that is made later, at its first call. */
const PLACE = Symbol.for("zoocache.place")

/**
 * The place of a definition: the one that its options carry, or the one that called `entry`. Undefined where it has no
 * name, by which another could be mistaken for it; whoever checks the options looks at what they are.
 */
export function placeOfDefinition(options: unknown, entry: Entry): Place | undefined {
  if (typeof options !== "object" || options === null) return undefined
  const { name, [PLACE]: place } = options as { readonly name?: unknown; readonly [PLACE]?: Place }
  return name === undefined ? undefined : (place ?? placeCalling(entry))
}

/** Options that carry the place that called `entry`, for a definition that is made later. */
export function withPlace<T extends object>(options: T, entry: Entry): T {
  return { ...options, [PLACE]: placeOfDefinition(options, entry) }
}

/** The relation of the definition at a place to an earlier one of the same name. */
export function recurrenceOf(earlier: Place | undefined, later: Place | undefined): Recurrence {
  if (earlier === undefined || later === undefined) return "unknown"
  if (!isSameScript(earlier, later)) return "elsewhere"
  if (earlier.textHash() !== later.textHash()) return "reloaded"
  if (earlier.line !== later.line || earlier.column !== later.column) return "elsewhere"
  // A module runs once each time that it is loaded, unless there is a loop in it, which makes no pause.
  return later.isModuleLevel && earlier.stretch !== later.stretch ? "reloaded" : "again"
}

/** A place as stack traces write it. */
export function showPlace({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`
}

function callSites(entry: Entry): readonly NodeJS.CallSite[] {
  const { stackTraceLimit } = Error
  const prepare = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace")
  try {
    Error.stackTraceLimit = FRAMES
    Error.prepareStackTrace = (_error, sites) => sites
    const traced: { stack?: unknown } = {}
    Error.captureStackTrace(traced, entry)
    return Array.isArray(traced.stack) ? (traced.stack as readonly NodeJS.CallSite[]) : []
  } catch {
    // An engine without call sites, or with frozen intrinsics.
    return []
  } finally {
    Error.stackTraceLimit = stackTraceLimit
    if (prepare === undefined) Reflect.deleteProperty(Error, "prepareStackTrace")
    else Object.defineProperty(Error, "prepareStackTrace", prepare)
  }
}

function addressOf(site: NodeJS.CallSite | undefined): string | undefined {
  // Code that a bundler evaluates has an address, and no file.
  return site?.getScriptNameOrSourceURL() ?? site?.getFileName() ?? undefined
}

/** `/app/chunk.js`, `file:///app/chunk.js?t=1` and `file:///app/chunk.js?id=[project]/users.js` are one script. */
function scriptOf(address: string): Pick<Place, "file" | "moduleId"> {
  const [, path = address, query = ""] = /^([^?]*)\??(.*)$/s.exec(address) ?? []
  const moduleId = /(?:^|&)id=([^&]*)/.exec(query)?.[1]
  return { file: path.startsWith("file://") ? decoded(path.slice("file://".length)) : path, moduleId }
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** Turbopack has a module in a chunk at first; when it has changed it is evaluated alone, and has an id. */
export function isSameScript(a: Place, b: Place): boolean {
  return a.moduleId !== undefined && b.moduleId !== undefined ? a.moduleId === b.moduleId : a.file === b.file
}

/** Whether a frame is that of a module. Bundlers wrap modules in functions, which they call by number or path. */
function isModuleLevel(called: string | null, callerFile: string | undefined): boolean {
  if (called === null) return callerFile?.startsWith("node:internal/modules/") === true
  return MODULE_FRAMES.has(called) || /^\d+$|[/\\]/.test(called)
}

/** Webpack in development, and Turbopack of several versions. */
const MODULE_FRAMES = new Set(["eval", "module evaluation", "__TURBOPACK__module__evaluation__"])

let stretch: object | undefined

function currentStretch(): object {
  if (stretch === undefined) {
    stretch = {}
    queueMicrotask(() => {
      stretch = undefined
    })
  }
  return stretch
}

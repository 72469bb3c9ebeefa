/**
 * The layers of the sources, types included: rooms of the core import only rooms above them in the list, backends need
 * only the ports and a few tools, and nothing imports in a circle.
 */
import { readFileSync, readdirSync } from "node:fs"
import { posix } from "node:path"
import { parseSync } from "rolldown/utils"
import { root } from "./entries.js"

/** The rooms of `src/core`, each of which imports only those above it; docs/architecture.md says what each is for. */
const rooms = [
  "base",
  "values",
  "tags",
  "ports",
  "options",
  "log",
  "memory",
  "entries",
  "loads",
  "writes",
  "reads",
  "cache",
]

/** The modules of Node.js that the core may import. `values/digest.ts` loads another one when it is needed. */
const builtins = new Set(["node:async_hooks", "node:diagnostics_channel"])

/** The parts of the core that a backend or a codec may use. */
const forBackends = [
  "src/core/base/",
  "src/core/ports/",
  "src/core/tags/version.ts",
  "src/core/values/inspect-object.ts",
  "src/core/values/function-key.ts",
  "src/core/values/single-use.ts",
]
const backends = ["src/codec/", "src/lmdb/", "src/redis/"]

const problems: string[] = []
const graph = new Map<string, readonly string[]>()
for (const file of sources("src")) {
  const imported = imports(file)
  graph.set(
    file,
    imported.map(({ target }) => target).filter((target) => target.startsWith("src/")),
  )
  for (const { specifier, target } of imported) check(file, specifier, target)
}
for (const circle of circles(graph)) problems.push(`a circle of imports: ${circle.join(" → ")}`)

if (problems.length > 0) {
  for (const problem of problems) console.error(problem)
  process.exit(1)
}
console.log(`Layers: ${graph.size} files in their order, types included, without a circle.`)

function check(file: string, specifier: string, target: string): void {
  const complain = (rule: string) => problems.push(`${file} imports "${specifier}": ${rule}`)
  const room = roomOf(file)
  if (file.startsWith("src/core/")) {
    const order = rooms.indexOf(room ?? "")
    if (order < 0) complain(`there is no room ${String(room)} in the core`)
    if (!target.startsWith("src/core/")) {
      if (!builtins.has(target)) complain(`the core may import only itself and ${[...builtins].join(", ")}`)
    } else if (rooms.indexOf(roomOf(target) ?? "") > order) {
      complain(`the room ${String(room)} comes before ${String(roomOf(target))}`)
    }
  }
  const isBackend = backends.some((folder) => file.startsWith(folder))
  if (isBackend && target.startsWith("src/core/") && !forBackends.some((part) => target.startsWith(part))) {
    complain(`a backend needs only ${forBackends.join(", ")}`)
  }
  if (!file.startsWith("src/testing/") && target.startsWith("src/testing/")) {
    complain("the library must not import its own test tools")
  }
}

function roomOf(file: string): string | undefined {
  return /^src\/core\/([^/]+)\//.exec(file)?.[1]
}

/** Each circle once, as the files along it. */
function circles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = []
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): void => {
    const at = path.indexOf(file)
    if (at >= 0) found.push([...path.slice(at), file])
    if (at >= 0 || done.has(file)) return
    path.push(file)
    for (const next of edges.get(file) ?? []) visit(next)
    path.pop()
    done.add(file)
  }
  for (const file of edges.keys()) visit(file)
  return found
}

function sources(folder: string): string[] {
  return readdirSync(`${root}${folder}`, { recursive: true, encoding: "utf8" })
    .map((file) => `${folder}/${file.replaceAll("\\", "/")}`)
    .filter((file) => file.endsWith(".ts"))
}

/** The modules that a file names in `import … from`, `export … from` and `import()` with a literal, types included. */
function imports(file: string): { specifier: string; target: string }[] {
  const text = readFileSync(root + file, "utf8")
  const { module, errors } = parseSync(file, text)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`)
  const specifiers = [
    ...module.staticImports.map((found) => found.moduleRequest.value),
    ...module.staticExports.flatMap((found) => found.entries.flatMap((entry) => entry.moduleRequest?.value ?? [])),
    ...module.dynamicImports.map((found) =>
      text.slice(found.moduleRequest.start, found.moduleRequest.end).replace(/^["'`]|["'`]$/g, ""),
    ),
  ]
  return specifiers.map((specifier) => ({
    specifier,
    target: specifier.startsWith(".") ? posix.join(posix.dirname(file), specifier).replace(/\.js$/, ".ts") : specifier,
  }))
}

/** Dependencies point inward: `src/core` imports itself and three modules of Node.js, nothing else. */
import { readFileSync, readdirSync } from "node:fs"
import { posix } from "node:path"
import { parseSync } from "rolldown/utils"
import { root } from "./entries.js"

const inner = ["src/core/"]
const builtins = new Set(["node:async_hooks", "node:crypto", "node:diagnostics_channel"])

let broken = 0
let checked = 0
for (const file of sources("src")) {
  const importsInnerOnly = inner.some((folder) => file.startsWith(folder))
  for (const specifier of imports(file)) {
    const target = specifier.startsWith(".") ? posix.join(posix.dirname(file), specifier) : specifier
    if (importsInnerOnly && !builtins.has(target) && !inner.some((folder) => target.startsWith(folder))) {
      complain(file, specifier, "the core may import only itself and " + [...builtins].join(", "))
    }
    if (!file.startsWith("src/testing/") && target.startsWith("src/testing/")) {
      complain(file, specifier, "the library must not import its own test tools")
    }
  }
  checked++
}
if (broken > 0) process.exit(1)
console.log(`Layers: ${checked} files, every import points inward.`)

function complain(file: string, specifier: string, rule: string): void {
  console.error(`${file} imports "${specifier}": ${rule}`)
  broken++
}

function sources(folder: string): string[] {
  return readdirSync(`${root}${folder}`, { recursive: true, encoding: "utf8" })
    .map((file) => `${folder}/${file.replaceAll("\\", "/")}`)
    .filter((file) => file.endsWith(".ts"))
}

/** What a file names in `import … from`, `export … from`, `import()` with a literal, types included. */
function imports(file: string): string[] {
  const text = readFileSync(root + file, "utf8")
  const { module, errors } = parseSync(file, text)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`)
  return [
    ...module.staticImports.map((found) => found.moduleRequest.value),
    ...module.staticExports.flatMap((found) => found.entries.flatMap((entry) => entry.moduleRequest?.value ?? [])),
    ...module.dynamicImports.map((found) =>
      text.slice(found.moduleRequest.start, found.moduleRequest.end).replace(/^["'`]|["'`]$/g, ""),
    ),
  ]
}

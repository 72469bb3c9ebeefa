/** docs/api.md against what the package exports, types included: every name, under the entry point that has it. */
import { readFileSync } from "node:fs"
import { parseSync } from "rolldown/utils"
import { expect, test } from "vitest"

const root = new URL("../../", import.meta.url)
const textOf = (path: string): string => readFileSync(new URL(path, root), "utf8")

const page = textOf("docs/api.md")
/** The list of all names is the last part of the page; what stands before it explains them. */
const [explained = "", listed = ""] = page.split("\n## Every name\n")

interface Exported {
  readonly name: string
  readonly isType: boolean
}

function exportedBy(subpath: string): Exported[] {
  const file = `src${subpath.slice(1)}/index.ts`
  const { module, errors } = parseSync(file, textOf(file))
  expect(errors, file).toEqual([])
  return module.staticExports.flatMap(({ entries }) =>
    entries.map(({ exportName, isType }) => ({ name: exportName.name ?? "*", isType })),
  )
}

const sorted = (names: readonly string[]): string[] => names.toSorted((a, b) => a.localeCompare(b))

/** The names in code marks below the heading of an entry point. */
function listedUnder(specifier: string): string[] {
  const [, part = ""] = `${listed}\n### `.split(`\n### \`${specifier}\`\n`)
  const [section = ""] = part.split("\n### ")
  return [...section.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string)
}

const { exports } = JSON.parse(textOf("package.json")) as { exports: Record<string, unknown> }
const subpaths = Object.keys(exports).filter((subpath) => subpath !== "./package.json")
const specifierOf = (subpath: string): string => `zoocache${subpath.slice(1)}`

test("the list of all names has a heading for each entry point, and for nothing else", () => {
  const headings = [...listed.matchAll(/^### `(.+)`$/gm)].map(([, specifier]) => specifier)
  expect(new Set(headings)).toEqual(new Set(subpaths.map(specifierOf)))
})

test.each(subpaths)("lists what %s exports, each name once, and nothing else", (subpath) => {
  const names = exportedBy(subpath).map(({ name }) => name)
  expect(names).not.toContain("*")
  expect(sorted(listedUnder(specifierOf(subpath)))).toEqual(sorted(names))
})

test.each(subpaths)("explains each function and class of %s before it lists them", (subpath) => {
  const values = exportedBy(subpath).filter(({ isType }) => !isType)
  const unexplained = values.filter(({ name }) => !new RegExp(`\\b${name}\\b`).test(explained))
  expect(unexplained).toEqual([])
})

/** The methods of a class or interface as its declaration writes them, those for this library's own use left out. */
function methodsOf(file: string, opening: string): string[] {
  const [, body = ""] = textOf(file).split(`\n${opening}`)
  const [declaration = ""] = body.replaceAll(/\/\*\* @internal[^\n]*\n[^\n]*\n/g, "").split("\n}\n")
  const names = [...declaration.matchAll(/^ {2}(?:async )?(\w+)(?:<[^\n(]*>)?[(:]/gm)].map(([, name]) => name as string)
  return [...new Set(names)].filter((name) => name !== "constructor")
}

test.each([
  ["Cache", "src/core/cache/cache.ts", "export class Cache {", "cache"],
  ["a cached function", "src/core/cache/cached.ts", "export interface CachedMethods<", "getUser"],
])("shows every method of %s", (_of, file, opening, example) => {
  const methods = methodsOf(file, opening)
  expect(methods.length).toBeGreaterThan(5)
  const missing = methods.filter((name) => !new RegExp(`\\b${example}\\.${name}\\b`).test(explained))
  expect(missing).toEqual([])
})

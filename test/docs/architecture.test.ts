/** docs/architecture.md against the sources: the rooms, their order, and each file by its name. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { expect, test } from "vitest"

const root = new URL("../../", import.meta.url)
const textOf = (path: string): string => readFileSync(new URL(path, root), "utf8")

const page = textOf("docs/architecture.md")
/** The files that the table names for each room, in the order of the rooms. */
const table = new Map(
  [...page.matchAll(/^\| `(\w+)\/` +\|[^|]*\|(.*)\|$/gm)].map(([, room, files = ""]) => [
    room as string,
    [...files.matchAll(/`([\w-]+\.ts)`/g)].map(([, file]) => file as string),
  ]),
)

test("the table has the rooms in the order that the lint holds", () => {
  const [, list = ""] = /const rooms = \[([^\]]*)\]/.exec(textOf("scripts/check-layers.ts")) ?? []
  const rooms = [...list.matchAll(/"(\w+)"/g)].map(([, room]) => room as string)
  expect(rooms.length).toBeGreaterThan(0)
  expect([...table.keys()]).toEqual(rooms)
})

test.each(readdirSync(new URL("src/core/", root)))("the table names each file of %s once, and no other", (room) => {
  const files = readdirSync(new URL(`src/core/${room}/`, root))
  expect(table.get(room)?.toSorted((a, b) => a.localeCompare(b))).toEqual(files.toSorted((a, b) => a.localeCompare(b)))
})

const pages = [
  "CONTRIBUTING.md",
  "docs/architecture.md",
  "docs/invalidation.md",
  ...readdirSync(new URL("docs/adr/", root)).map((file) => `docs/adr/${file}`),
]

test.each(pages)("every file that %s names by its path exists", (path) => {
  const named = [...textOf(path).matchAll(/(?:src|test|scripts|bench)\/[\w./-]+\.[cm]?ts\b/g)].map(([file]) => file)
  expect(named.filter((file) => !existsSync(new URL(file, root)))).toEqual([])
})

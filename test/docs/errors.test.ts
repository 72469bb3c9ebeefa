/** docs/errors.md against src/core/base/errors.ts: every code has its section, and every section its code. */
import { readdirSync, readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { InvalidTagError, LogError, ZooCacheError } from "../../src/core/base/errors.js"

const root = new URL("../../", import.meta.url)
const page = readFileSync(new URL("docs/errors.md", root), "utf8")
const sections = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((section) => {
      const [heading = "", ...body] = section.split("\n")
      return [heading.replaceAll("`", ""), body.join("\n")]
    }),
)

/** All codes that the sources write down, wherever. */
function codes(): string[] {
  const files = readdirSync(new URL("src/", root), { recursive: true, encoding: "utf8" })
  const texts = files
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(new URL(`src/${file}`, root), "utf8"))
  return [
    ...new Set(
      texts.flatMap((text) => [...text.matchAll(/"(ERR_ZOOCACHE_[A-Z_]+)"/g)].map(([, code]) => code as string)),
    ),
  ]
}

const sorted = (names: Iterable<string>): string[] => [...names].sort((a, b) => a.localeCompare(b))

test("every code has a section, and every section a code", () => {
  expect(codes().length).toBeGreaterThan(20)
  expect(sorted(sections.keys())).toEqual(sorted(codes()))
})

test.each([...sections])("%s has its class, a cause and a remedy", (code, section) => {
  const files = ["src/core/base/errors.ts", "src/core/base/load-errors.ts"]
  const source = files.map((file) => readFileSync(new URL(file, root), "utf8")).join("\n")
  const [, named = ""] = /^`(\w+Error)`/m.exec(section) ?? []
  // The class whose declaration is the last one before the code.
  const [, owner] = /class (\w+)(?!.*\bclass \w)/s.exec(source.slice(0, source.indexOf(`"${code}"`))) ?? []
  expect(named).toBe(code === "ERR_ZOOCACHE_INTERNAL" ? "ZooCacheError" : owner)
  expect(section).toMatch(/^\*\*Cause\.\*\* .{20}/m)
  expect(section).toMatch(/^\*\*Remedy\.\*\* .{20}/m)
})

test("an error says where its section is, by the anchor that its heading has", () => {
  const error = new InvalidTagError("a b", "it has a space")
  expect(error.help).toBe("docs/errors.md#err_zoocache_invalid_tag")
  expect(new LogError("append", "down").help).toBe("docs/errors.md#err_zoocache_log")
  for (const code of sections.keys()) {
    expect(new ZooCacheError(code, "").help).toBe(`docs/errors.md#${code.toLowerCase()}`)
  }
})

test("the page is part of the package", () => {
  const { files } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as { files: string[] }
  expect(files).toContain("docs/errors.md")
})

/** The links of README and docs: each leads to a file that exists, and to a heading that it has. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

const root = fileURLToPath(new URL("../../", import.meta.url))

const pages = [
  ...readdirSync(root).filter((file) => file.endsWith(".md")),
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => `docs/${file.replaceAll("\\", "/")}`),
  "examples/README.md",
  "examples/storefront/README.md",
]

const textOf = (path: string): string => readFileSync(join(root, path), "utf8")
const withoutCode = (text: string): string => text.replaceAll(/^```[^]*?^```$/gm, "").replaceAll(/`[^`\n]*`/g, "``")

/** Anchors as GitHub makes them, and the documentation site after it. */
function anchorsOf(path: string): Set<string> {
  const text = textOf(path).replaceAll(/^```[^]*?^```$/gm, "")
  const seen = new Map<string, number>()
  const anchors = [...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) => {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase()
    const slug = plain.replaceAll(/[^\p{L}\p{N}_\- ]/gu, "").replaceAll(" ", "-")
    const times = seen.get(slug) ?? 0
    seen.set(slug, times + 1)
    return times === 0 ? slug : `${slug}-${times}`
  })
  return new Set(anchors)
}

test.each(pages)("every link of %s leads somewhere", (page) => {
  const links = [...withoutCode(textOf(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link as string)
  const broken = links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false
    const [path = "", anchor] = link.split("#")
    const target = path === "" ? page : normalize(join(dirname(page), path)).replaceAll("\\", "/")
    if (!existsSync(join(root, target))) return true
    return anchor !== undefined && !anchorsOf(target).has(anchor)
  })
  expect(broken).toEqual([])
})

test("README is short", () => {
  expect(textOf("README.md").split(/\s+/).length).toBeLessThanOrEqual(900)
})

test("words of the inside stand only where they are explained", () => {
  const inside = /\b(?:floor|doorbell|rank)s?\b/i
  const explained = /^docs\/(?:adr\/.*|api|architecture|benchmarks.*|consistency|invalidation)\.md$/
  const first = pages.filter((page) => /^(?:README|docs)/.test(page) && !explained.test(page))
  expect(first.filter((page) => inside.test(textOf(page)))).toEqual([])
})

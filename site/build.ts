/**
 * `npm run site`: the documentation as a site, in site/dist. Pages keep the paths that they have here, so links work in both
 * places. What they link to in the sources becomes a page as well; the reference comes from the doc comments. A link or an
 * anchor that leads nowhere fails the build.
 *
 *   npm run site -- --base /zoocache/    for a site below a path
 */
import { spawnSync } from "node:child_process"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { dirname, extname, join, posix, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

const site = fileURLToPath(new URL("./", import.meta.url))
const root = fileURLToPath(new URL("../", import.meta.url))
const content = join(site, "content")
const { base } = parseArgs({ options: { base: { type: "string", default: "/" } } }).values

rmSync(content, { recursive: true, force: true })
rmSync(join(site, "dist"), { recursive: true, force: true })
writeReference()
writePages()
copyMermaid()
run("vitepress", ["build", site, "--base", base])
checkAnchors()

// --- what the pages are made of ----------------------------------------------------------------------------------------

/** The public names with their doc comments, a page for each entry point. */
function writeReference(): void {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    exports: Record<string, unknown>
  }
  const entries = Object.keys(exports)
    .filter((subpath) => subpath !== "./package.json")
    .map((subpath) => `src${subpath.slice(1)}/index.ts`)
  const options = {
    name: "API reference",
    entryPoints: entries.map((entry) => join(root, entry)),
    tsconfig: join(root, "tsconfig.json"),
    // The library is compiled by a newer compiler than this tool has; here only its names are wanted.
    skipErrorChecking: true,
    plugin: ["typedoc-plugin-markdown"],
    router: "module",
    out: join(content, "reference"),
    entryFileName: "entry-points",
    readme: "none",
    disableSources: true,
    excludeInternal: true,
    excludePrivate: true,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    useCodeBlocks: true,
    logLevel: "Error",
  }
  const file = join(site, "node_modules", ".typedoc.json")
  writeFileSync(file, JSON.stringify(options))
  run("typedoc", ["--options", file])
  // Pages are called by their files there, and here by what users import.
  for (const page of readdirSync(options.out)) {
    const path = join(options.out, page)
    const text = readFileSync(path, "utf8")
    const name = page === "index.md" ? "zoocache" : `zoocache/${page.slice(0, -3)}`
    if (page !== "entry-points.md") writeFileSync(path, text.replace(/^# .+$/m, `# ${name}`))
  }
}

/** README is the first page. Whatever a page links to follows. */
function writePages(): void {
  const queue = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs/adr"]
  for (const path of readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })) {
    if (path.endsWith(".md")) queue.push(posix.join("docs", path.replaceAll("\\", "/")))
  }
  const done = new Set<string>()
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    if (done.has(path)) continue
    done.add(path)
    if (existsSync(join(root, path, "README.md"))) {
      queue.push(posix.join(path, "README.md"))
      continue
    }
    const text = statSync(join(root, path)).isDirectory()
      ? folderPage(path)
      : path.endsWith(".md")
        ? readFileSync(join(root, path), "utf8")
        : sourcePage(path)
    write(pageOf(path), withLinks(text, path, queue))
  }
}

function write(page: string, text: string): void {
  mkdirSync(dirname(join(content, page)), { recursive: true })
  writeFileSync(join(content, page), text)
}

/** The page of a file or folder. */
function pageOf(path: string): string {
  if (posix.basename(path) === "README.md") return posix.join(posix.dirname(path), "index.md")
  if (path.endsWith(".md")) return path
  return statSync(join(root, path)).isDirectory() ? posix.join(path, "index.md") : `${path}.md`
}

/** Links as the site needs them; what they lead to is queued. */
function withLinks(text: string, path: string, queue: string[]): string {
  return outsideCode(text, (prose) =>
    prose.replaceAll(/\]\(([^)\s]+)\)/g, (whole, link: string) => {
      if (/^[a-z]+:|^#/.test(link)) return whole
      const [target = "", anchor] = link.split("#")
      const file = posix.join(path.endsWith(".md") ? posix.dirname(path) : path, target).replace(/\/$/, "")
      if (!existsSync(join(root, file))) throw new Error(`${path}: the link ${link} leads nowhere`)
      queue.push(file)
      return `](/${pageOf(file)}${anchor === undefined ? "" : `#${anchor}`})`
    }),
  )
}

function outsideCode(text: string, change: (prose: string) => string): string {
  return text
    .split(/(^```[^]*?^```$|`[^`\n]*`)/m)
    .map((part) => (part.startsWith("`") ? part : change(part)))
    .join("")
}

function folderPage(path: string): string {
  const files = readdirSync(join(root, path)).filter(
    (name) => /^(?!package-lock).*\.(?:md|[cm]?[jt]s|json)$/.test(name) && statSync(join(root, path, name)).isFile(),
  )
  const lines = files.map((name) => `- [${titleOf(join(root, path, name)) ?? name}](${name})`)
  const title = path === "docs/adr" ? "Decisions" : path
  return `# ${title}\n\n${lines.join("\n")}\n`
}

function titleOf(file: string): string | undefined {
  return file.endsWith(".md") ? /^# (.+)$/m.exec(readFileSync(file, "utf8"))?.[1] : undefined
}

function sourcePage(path: string): string {
  const language = extname(path).slice(1) || "text"
  const code = readFileSync(join(root, path), "utf8")
  return `---\nsearch: false\naside: false\n---\n\n# ${posix.basename(path)}\n\n\`${path}\`\n\n\`\`\`\`${language}\n${code}\n\`\`\`\`\n`
}

/** Diagrams are drawn in the browser, by modules that it gets as they are. */
function copyMermaid(): void {
  const from = join(site, "node_modules", "mermaid", "dist")
  for (const file of readdirSync(from, { recursive: true, encoding: "utf8" })) {
    if (!/^(?:mermaid\.esm\.min|chunks[\\/]mermaid\.esm\.min[\\/].*)\.mjs$/.test(file)) continue
    const to = join(content, "public", "mermaid", file)
    mkdirSync(dirname(to), { recursive: true })
    copyFileSync(join(from, file), to)
  }
}

// --- what was made -----------------------------------------------------------------------------------------------------

/** VitePress looks for pages only. */
function checkAnchors(): void {
  const dist = join(site, "dist")
  const pages = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".html"))
  const ids = new Map<string, Set<string>>()
  const texts = new Map(pages.map((page) => [page.replaceAll("\\", "/"), readFileSync(join(dist, page), "utf8")]))
  for (const [page, html] of texts)
    ids.set(page, new Set([...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id ?? "")))
  const dead: string[] = []
  for (const [page, html] of texts) {
    for (const [, href = ""] of html.matchAll(/<a [^>]*href="([^"]+)"/g)) {
      const { pathname, hash, origin } = new URL(href, `http://site${base}${page}`)
      if (origin !== "http://site" || hash === "") continue
      const below = relative(base, decodeURIComponent(pathname)).replaceAll("\\", "/")
      const target = below === "" || pathname.endsWith("/") ? posix.join(below, "index.html") : below
      if (!(ids.get(target)?.has(decodeURIComponent(hash.slice(1))) ?? false)) dead.push(`${page}: ${href}`)
    }
  }
  if (dead.length > 0) {
    console.error(`Links to places that are not there:\n${[...new Set(dead)].join("\n")}`)
    process.exit(1)
  }
  console.log(`${pages.length} pages in site/dist, all links lead somewhere.`)
}

function run(tool: "typedoc" | "vitepress", args: string[]): void {
  const folder = join(site, "node_modules", tool)
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    bin: string | Record<string, string>
  }
  const file = typeof bin === "string" ? bin : (bin[tool] ?? "")
  const { status } = spawnSync(process.execPath, [join(folder, file), ...args], { cwd: site, stdio: "inherit" })
  if (status !== 0) {
    console.error(`${tool} failed`)
    process.exit(1)
  }
}

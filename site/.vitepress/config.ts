import { existsSync, readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { defineConfig, type DefaultTheme } from "vitepress"

const content = fileURLToPath(new URL("../content/", import.meta.url))

/** The order of the pages of docs/ that are known by name; others follow under "More". */
const chapters: readonly [string, readonly string[]][] = [
  ["Start", ["tour", "choosing-tags", "faq", "errors", "api", "comparison"]],
  ["Use", ["invalidation", "concurrency", "serialization", "testing", "nextjs", "bundling"]],
  ["Run", ["processes", "consistency", "operations"]],
  ["Inside", ["architecture", "benchmarks", "benchmarks-backends"]],
]

/** What the folders of docs/ are called; others go by their own name. */
const folders: Record<string, string> = { adr: "Decisions", recipes: "Recipes", migrations: "Migrations" }

function titleOf(page: string): string {
  const [, title = page] = /^# (.+)$/m.exec(readFileSync(content + page, "utf8")) ?? []
  return title.replaceAll("`", "").replaceAll("\\", "")
}

/** Two pages of one title. */
const shortTitles: Record<string, string> = { "docs/benchmarks-backends.md": "Benchmarks of the backends" }

function item(page: string): DefaultTheme.SidebarItem {
  return { text: shortTitles[page] ?? titleOf(page), link: `/${page.replace(/(?:index)?\.md$/, "")}` }
}

/** Made of the files, so that a page that is added appears. */
function sidebar(): DefaultTheme.SidebarItem[] {
  const entries = readdirSync(`${content}docs`, { withFileTypes: true })
  const pages = entries.filter((entry) => entry.isFile() && entry.name.endsWith(".md")).map(({ name }) => name)
  const named = new Set(chapters.flatMap(([, names]) => names.map((name) => `${name}.md`)))
  const more = pages.filter((name) => !named.has(name) && name !== "index.md")
  const groups: DefaultTheme.SidebarItem[] = chapters.map(([text, names]) => ({
    text,
    items: names.filter((name) => pages.includes(`${name}.md`)).map((name) => item(`docs/${name}.md`)),
  }))
  if (more.length > 0) groups.push({ text: "More", items: more.map((name) => item(`docs/${name}`)) })
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    const inside = readdirSync(`${content}docs/${name}`).filter((file) => file.endsWith(".md") && file !== "index.md")
    groups.push({
      text: folders[name] ?? name,
      collapsed: name === "adr",
      items: inside.map((file) => item(`docs/${name}/${file}`)),
    })
  }
  groups.push({ text: "Reference", collapsed: true, items: reference() })
  groups.push({
    text: "Project",
    items: ["examples/index.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
      .filter((page) => existsSync(content + page))
      .map(item),
  })
  return groups
}

function reference(): DefaultTheme.SidebarItem[] {
  const pages = readdirSync(`${content}reference`, { recursive: true, encoding: "utf8" })
  return pages
    .filter((page) => page.endsWith(".md"))
    .map((page) => `reference/${page.replaceAll("\\", "/")}`)
    .sort((a, b) => a.localeCompare(b))
    .map(item)
}

/** As GitHub makes them, so that links with anchors work in both places. */
function slugify(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, "")
    .replaceAll(" ", "-")
}

export default defineConfig({
  title: "zoocache",
  description: "A semantic cache for TypeScript: readers declare what a result depends on, writers say what changed.",
  lang: "en",
  srcDir: "content",
  outDir: "dist",
  head: [["link", { rel: "icon", href: "data:," }]],
  markdown: {
    anchor: { slugify },
    config: (md) => {
      const fence = md.renderer.rules.fence
      md.renderer.rules.fence = (tokens, index, ...rest) => {
        const token = tokens[index]
        if (token?.info.trim() === "mermaid") return `<Diagram code="${encodeURIComponent(token.content)}" />`
        return fence?.(tokens, index, ...rest) ?? ""
      }
    },
  },
  themeConfig: {
    nav: [
      { text: "Tour", link: "/docs/tour" },
      { text: "API", link: "/docs/api" },
      { text: "Questions", link: "/docs/faq" },
      { text: "Reference", link: "/reference/" },
    ],
    sidebar: sidebar(),
    outline: [2, 3],
    search: {
      provider: "local",
      options: {
        // Pages that show a source file have nothing to be found by words.
        _render: (source, env, md) => {
          const html = md.render(source, env)
          return (env as { frontmatter?: { search?: boolean } }).frontmatter?.search === false ? "" : html
        },
      },
    },
  },
})

/** The code blocks of README and docs, as programs that a compiler and a runtime take. */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../../../", import.meta.url))

/** Pages whose blocks need a framework, a bundler or a database: packages in integration/ run them. */
const elsewhere = /^docs\/(?:adr|recipes|migrations)\/|^docs\/(?:bundling|nextjs|testing)\.md$/

/** README and every page of docs, by their paths. */
export function pages(): string[] {
  const found = readdirSync(`${root}docs`, { recursive: true, encoding: "utf8" })
    .map((path) => `docs/${path.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(".md") && !elsewhere.test(path))
  return ["README.md", "examples/README.md", ...found.sort((a, b) => a.localeCompare(b))]
}

export interface Block {
  readonly page: string
  /** The line of the page on which the code begins, from 1. */
  readonly line: number
  readonly language: string
  /** What stands behind the language: `continues`, or `no-run` and the reason. */
  readonly info: string
  readonly lines: readonly string[]
}

export function blocksOf(page: string): Block[] {
  const blocks: Block[] = []
  let open: { line: number; language: string; info: string; lines: string[] } | undefined
  for (const [index, text] of readFileSync(root + page, "utf8")
    .split("\n")
    .entries()) {
    const [, language = "", info = ""] = /^```(\w*) *(.*)$/.exec(text) ?? []
    if (open === undefined) {
      if (text.startsWith("```")) open = { line: index + 2, language, info, lines: [] }
    } else if (text.startsWith("```")) {
      blocks.push({ page, ...open })
      open = undefined
    } else open.lines.push(text)
  }
  if (open !== undefined) throw new Error(`${page}:${open.line - 1}: the block does not end`)
  return blocks
}

/** A block and those that continue it, which see what it has declared and may declare it anew. */
export interface Program {
  /** Fit for the name of a file. */
  readonly name: string
  readonly at: string
  readonly isRun: boolean
  /** Each line of code stands on its line of the page, so that the compiler's complaints name it. */
  readonly code: string
  /** The same with a check wherever the page says what comes out. */
  readonly checked: string
}

export function programsOf(page: string): Program[] {
  const chains: Block[][] = []
  for (const block of blocksOf(page)) {
    if (block.language !== "ts") continue
    const last = chains.at(-1)
    if (block.info.startsWith("continues")) {
      if (last === undefined) throw new Error(`${page}:${block.line}: continues nothing`)
      last.push(block)
    } else chains.push([block])
  }
  return chains.map((chain) => {
    const first = chain[0] as Block
    return {
      name: `${page.replaceAll("/", "-")}.${first.line}`,
      at: `${page}:${first.line}`,
      isRun: !first.info.startsWith("no-run"),
      code: assemble(chain, (line) => line),
      checked: assemble(chain, withCheck),
    }
  })
}

type Change = (line: string, at: string) => string

function assemble(chain: readonly Block[], change: Change): string {
  const lines: string[] = []
  const imports = new Map<string, Set<string>>()
  for (const [index, block] of chain.entries()) {
    while (lines.length < block.line - 1) lines.push("")
    // A scope of its own, which can't be had for imports: those go to the top.
    if (index > 0) lines[block.line - 2] = "{"
    const code = withoutImports(block.lines.join("\n"), imports).split("\n")
    for (const [offset, line] of code.entries()) lines.push(change(line, `${block.page}:${block.line + offset}`))
  }
  const taken = [...imports].map(([module, names]) => `import { ${[...names].join(", ")} } from "${module}";`)
  // The fence before the first block leaves room.
  return `export {}; ${taken.join(" ")}${lines.join("\n")}\n${"}".repeat(chain.length - 1)}\n`
}

/** Takes the imports out and leaves their lines empty. */
function withoutImports(code: string, imports: Map<string, Set<string>>): string {
  const IMPORT = /^import (type )?\{([^}]*)\} from "([^"]+)"$/gm
  return code.replaceAll(IMPORT, (text: string, type: string | undefined, names: string, module: string) => {
    const known = imports.get(module) ?? new Set()
    for (const name of names.split(",")) if (name.trim() !== "") known.add(`${type ?? ""}${name.trim()}`)
    imports.set(module, known)
    return "\n".repeat(text.split("\n").length - 1)
  })
}

/** `getUser.peek(42) // undefined: nothing is there` says what comes out. */
const SAID =
  /^(\s*)((?:await )?[\w$.]+(?:[(`.<].*)?) \/\/ ("(?:[^"\\]|\\.)*"|-?\d[\d_]*(?:\.\d+)?|true|false|null|undefined)(?=$|[:;,])/
const KEYWORD = /^\s*(?:const|let|import|export|return|if|for|class|type|throw|case)\b/

function withCheck(line: string, at: string): string {
  if (KEYWORD.test(line)) return line
  return line.replace(SAID, (_text, indent: string, code: string, value: string) => {
    return `${indent}__check(${code}, ${value}, ${JSON.stringify(at)}) //`
  })
}

/** What an editor shows of cached functions, asked of the compiler itself. */
import { fileURLToPath } from "node:url"
import { API, type Project } from "typescript/unstable/sync"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

const root = fileURLToPath(new URL("../../", import.meta.url))
const config = `${root}test/types/support/tsconfig.json`
const file = `${root}test/types/support/functions.ts`

let api: API
let project: Project
const shown: Record<string, string> = {}

beforeAll(() => {
  api = new API({ cwd: root })
  const found = api.updateSnapshot({ openProjects: [config] }).getProject(config)
  if (found === undefined) throw new Error(`no project ${config}`)
  project = found
  const { checker, program } = project
  const source = program.getSourceFile(file)
  const module = source === undefined ? undefined : checker.getSymbolAtLocation(source)
  if (module === undefined) throw new Error(`no module ${file}`)
  for (const symbol of checker.getExportsOfModule(module)) {
    const type = checker.getTypeOfSymbol(symbol)
    if (type !== undefined) shown[symbol.name] = checker.typeToString(type)
  }
})

afterAll(() => api.close())

describe("what an editor shows is what a user would have written", () => {
  test("of cached functions, and of what they return", () => {
    expect(shown).toMatchObject({
      getUser: "Cached<(id: number, _locale?: string | undefined) => Promise<User>>",
      called: "Promise<User>",
      double: "Cached<(n: number) => number>",
      doubled: "Promise<number>",
      findUser: "Cached<(id: number) => Query<User>>",
      found: "Promise<User>",
      first: "Cached<<T>(list: readonly T[]) => Promise<T | undefined>>",
      size: "CachedSync<(text: string) => number>",
      users: "CachedMany<number, User | null>",
      loaded: "Promise<User>",
      token: "Promise<string | undefined>",
    })
  })

  test("of their methods", () => {
    expect(shown).toMatchObject({
      keyOf: "(id: number, _locale?: string | undefined) => string",
      peek: "(id: number, _locale?: string | undefined) => User | undefined",
      refresh: "(id: number, _locale?: string | undefined) => Promise<User>",
      withOptions: "(options: CallOptions) => (id: number, _locale?: string | undefined) => Promise<User>",
      del: "(id: number, _locale?: string | undefined) => Promise<string | undefined>",
      prime:
        "(args: [id: number, _locale?: string | undefined], value: User, options: PrimeOptions) => Promise<string | undefined>",
      peekDouble: "(n: number) => number | undefined",
      refreshDouble: "(n: number) => Promise<number>",
      refreshFound: "(id: number) => Promise<User>",
      refreshFirst: "<T>(list: readonly T[]) => Promise<T | undefined>",
      peekSize: "(text: string) => number | undefined",
      refreshSize: "(text: string) => number",
      one: "(id: number) => Promise<User | null | undefined>",
    })
  })

  test("of overloads", () => {
    expect(shown).toMatchObject({
      keyOfOverloaded: "(...args: [id: number] | [slug: string, locale?: string | undefined]) => string",
      peekOverloaded:
        "((id: number) => User | undefined) & ((slug: string, locale?: string | undefined) => User[] | undefined)",
      refreshOverloaded:
        "{ (id: number): Promise<User>; (slug: string, locale?: string | undefined): Promise<User[]>; }",
    })
  })
})

test("the types hold without `exactOptionalPropertyTypes`, too", () => {
  const problems = project.program.getSemanticDiagnostics().map(({ fileName, text }) => `${fileName}: ${text}`)
  expect(problems).toEqual([])
})

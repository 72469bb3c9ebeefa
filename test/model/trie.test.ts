import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { NodeTable } from "../../src/core/tags/node-table.js"
import { isPending, markOf, TagNode } from "../../src/core/tags/tag-node.js"
import { TagTrie } from "../../src/core/tags/tag-trie.js"

interface Use {
  readonly path: string
  readonly node: TagNode
  /** Its own marks and those of everything above it, as the model knows them. */
  readonly sees: { readonly of: TagNode; invalidated: number; expired: number }[]
}

const runs = Number(process.env["ZOOCACHE_RUNS"] ?? 0)

// `expect` costs more than all that it looks at here.
function must(isSo: boolean, what: string): void {
  if (!isSo) expect.fail(what)
}

describe("the table of nodes", () => {
  const segment = fc.oneof(
    fc.integer({ min: 0, max: 200 }).map(String),
    fc.constantFrom("00", "007", "7", "-7", "+7", "7.0", "1e3", "999999999", "1000000000", "9007199254740993", "٧"),
    fc.constantFrom("a", "b", "ab", "ba", "aa", "__proto__", "constructor", "ß", "\u{1f600}", ""),
  )
  const command = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant("add" as const), parent: fc.nat(30), segment }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("remove" as const), which: fc.nat(1000) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("find" as const), parent: fc.nat(30), segment }) },
  )

  for (const [name, random] of [
    ["with a usual multiplier", () => 0.6180339887],
    ["with the smallest multiplier, so that nearly everything meets", () => 0],
  ] as const) {
    test(`finds what is in it and nothing else, ${name}`, () => {
      fc.assert(
        fc.property(fc.array(command, { maxLength: 400, size: "max" }), (commands) => {
          const table = new NodeTable(random)
          const root = new TagNode(null, "", 0)
          const model = new Map<string, TagNode>()
          const parents = [root]
          const names = new Map<TagNode, string>([[root, "#0"]])
          const idOf = (parent: TagNode, segment: string) => `${names.get(parent)}/${JSON.stringify(segment)}`
          const removed = new Set<TagNode>()
          for (const step of commands) {
            if (step.do === "remove") {
              const nodes = [...model]
              if (nodes.length === 0) continue
              const [id, node] = nodes[step.which % nodes.length] as [string, TagNode]
              model.delete(id)
              table.remove(node)
              removed.add(node)
            } else {
              const parent = parents[step.parent % parents.length] as TagNode
              const id = idOf(parent, step.segment)
              if (step.do === "find") {
                expect(table.find(parent, step.segment)).toBe(model.get(id))
                continue
              }
              const node = table.findOrAdd(parent, step.segment)
              const known = model.get(id)
              if (known !== undefined) expect(node).toBe(known)
              else {
                if (removed.has(node)) expect.fail("it came back")
                must(String(node.segment) === step.segment, `${String(node.segment)} for ${step.segment}`)
                model.set(id, node)
                names.set(node, `#${names.size}`)
                if (parents.length < 30) parents.push(node)
              }
            }
            if (table.size !== model.size) expect.fail(`${table.size} instead of ${model.size}`)
          }
          for (const [id, node] of model) {
            expect(table.find(node.parent as TagNode, String(node.segment)), id).toBe(node)
          }
          for (const node of removed) expect(table.find(node.parent as TagNode, String(node.segment))).not.toBe(node)
          expect(new Set(table)).toEqual(new Set(model.values()))
        }),
        { numRuns: runs || 150 },
      )
    })
  }

  test("removing what is not there, or twice, changes nothing", () => {
    const table = new NodeTable(() => 0.5)
    const root = new TagNode(null, "", 0)
    const nodes = Array.from({ length: 50 }, (_, index) => table.findOrAdd(root, String(index)))
    table.remove(nodes[7] as TagNode)
    table.remove(nodes[7] as TagNode)
    table.remove(new TagNode(root, "8", (nodes[8] as TagNode).hash))
    expect(table.size).toBe(49)
    nodes.forEach((node, index) => expect(table.find(root, String(index))).toBe(index === 7 ? undefined : node))
  })

  test("shrinks again", () => {
    const table = new NodeTable(Math.random)
    const root = new TagNode(null, "", 0)
    const nodes = Array.from({ length: 10_000 }, (_, index) => table.findOrAdd(root, `n${index}`))
    for (const node of nodes.slice(10)) table.remove(node)
    expect(table.size).toBe(10)
    expect([...table]).toHaveLength(10)
    for (const node of nodes.slice(0, 10)) expect(table.find(root, String(node.segment))).toBe(node)
  })
})

describe("the trie of tags", () => {
  const path = fc
    .array(fc.constantFrom("a", "b", "7"), { minLength: 1, maxLength: 4 })
    .map((segments) => segments.join(":"))
  const command = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant("acquire" as const), path }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant("release" as const), which: fc.nat(1000) }) },
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant("apply" as const), path, soft: fc.boolean(), back: fc.nat(3) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("pending" as const), path }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("settle" as const), which: fc.nat(1000) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("forget" as const), keep: fc.nat(3), back: fc.nat(20) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("begin" as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("end" as const) }) },
  )

  test("remembers what may still be needed, whatever is acquired, released and forgotten", () => {
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 150, size: "max" }),
        fc.constantFrom(0, 2, 5, 1000),
        (commands, rememberedMarks) => {
          let version = 1
          const loads: number[] = []
          const trie = new TagTrie({
            epoch: { ordinal: 1, nonce: "n" },
            random: () => 0.4,
            oldestLoadAsOf: () => loads[0] ?? Number.POSITIVE_INFINITY,
            rememberedMarks,
            isShared: false,
          })
          const uses: Use[] = []
          const pending: { path: string; node: TagNode }[] = []
          // What everybody else forgets nothing of.
          const hard = new Map<string, number>()
          const soft = new Map<string, number>()
          const bump = (marks: Map<string, number>, at: string, to: number) =>
            marks.set(at, Math.max(marks.get(at) ?? 0, to))
          const release = (list: { node: TagNode }[], which: number, before?: (node: TagNode) => void) => {
            if (list.length === 0) return
            const [use] = list.splice(which % list.length, 1)
            if (use === undefined) return
            before?.(use.node)
            trie.release(use.node)
          }
          for (const step of commands) {
            const { forgotten, unreferenced } = trie
            switch (step.do) {
              case "acquire": {
                const node = trie.acquire(step.path.split(":"))
                const other = uses.find((use) => use.path === step.path)
                if (other !== undefined) expect(node, "interned").toBe(other.node)
                const sees = []
                for (let at: TagNode | null = node; at !== null; at = at.parent) {
                  sees.push({ of: at, invalidated: at.mark?.invalidated ?? 0, expired: at.mark?.soft?.expired ?? 0 })
                }
                uses.push({ path: step.path, node, sees })
                break
              }
              case "release":
                release(uses, step.which)
                break
              case "apply": {
                version += 1
                trie.moveCursor(version)
                const given = version - step.back
                const node = trie.acquire(step.path.split(":"))
                trie.apply(node, step.soft, given, 0, "test", 0)
                for (const seen of uses.flatMap((use) => use.sees)) {
                  if (seen.of !== node) continue
                  if (step.soft) seen.expired = Math.max(seen.expired, given)
                  else seen.invalidated = Math.max(seen.invalidated, given)
                }
                trie.release(node)
                bump(step.soft ? soft : hard, step.path, given)
                break
              }
              case "pending": {
                const node = trie.acquire(step.path.split(":"))
                markOf(node).pending += 1
                pending.push({ path: step.path, node })
                break
              }
              case "settle":
                release(pending, step.which, (node) => (markOf(node).pending -= 1))
                break
              case "forget": {
                const before = version - step.back
                const wasForgotten = trie.forgotten
                trie.forget(step.keep, before)
                if (trie.forgotten > wasForgotten) expect(trie.forgotten).toBeLessThanOrEqual(before)
                break
              }
              case "begin":
                loads.push(version)
                break
              case "end":
                loads.shift()
            }
            check()
            const isForced = unreferenced + 1 > rememberedMarks * 10
            const oldest = loads[0]
            if (trie.forgotten > forgotten && oldest !== undefined && !isForced) {
              expect(trie.forgotten, "a running load could have needed it").toBeLessThanOrEqual(oldest)
            }
          }
          for (const { node } of pending.splice(0)) {
            markOf(node).pending -= 1
            trie.release(node)
          }
          for (const { node } of uses.splice(0)) trie.release(node)
          loads.length = 0
          // What was marked again since it was queued goes to the end of the queue, and only then away.
          trie.forget(0)
          trie.forget(0)
          expect(trie.size, "nothing is left").toBe(0)
          expect(trie.unreferenced).toBe(0)
          expect([...trie.nodes()]).toEqual([trie.keyRoot])
          expect(trie.root.uses).toBe(0)

          function check(): void {
            for (const { path, node } of [...uses, ...pending]) {
              must(trie.find(path.split(":")) === node, path)
            }
            for (const { node } of pending) must(isPending(node), "its append is on its way")
            for (const [marks, field] of [
              [hard, "invalidated"],
              [soft, "expired"],
            ] as const) {
              for (const [path, newest] of marks) {
                const node = trie.find(path.split(":"))
                const known = (field === "expired" ? node?.mark?.soft?.expired : node?.mark?.invalidated) ?? 0
                must(known <= newest, `${field} of ${path} is ${known}, above ${newest}`)
                if (known === newest) continue
                // It was forgotten: then whoever could need it can see that something was.
                must(trie.forgotten >= newest, `${field} of ${path} is ${known} instead of ${newest}`)
              }
            }
            // What a use can see from where it is, is never forgotten.
            for (const { node, sees } of uses) {
              let at: TagNode | null = node
              for (const { invalidated, expired } of sees) {
                must((at?.mark?.invalidated ?? 0) === invalidated, "a mark that is in use was lost")
                must((at?.mark?.soft?.expired ?? 0) === expired, "a soft mark that is in use was lost")
                at = at?.parent ?? null
              }
            }
            must(
              trie.unreferenced <= Math.max(rememberedMarks * 10, rememberedMarks + commands.length),
              "too many marks are kept",
            )
            for (const node of trie.nodes()) {
              must(node.uses > 0 || node.mark?.isQueued === true, "nothing is kept for nothing")
            }
          }
        },
      ),
      { numRuns: runs || 400 },
    )
  })
})

import { Cache } from "../core/cache/cache.js"
import { nodesOf } from "../core/tags/freshness.js"
import type { TagNode } from "../core/tags/tag-node.js"

/**
 * Checks the books of a cache against each other: reference counts of tags, budgets, flights, slots, timers. Cheap enough
 * to run after every test.
 *
 * @param options.idle nothing is supposed to be running: no load, no flight, no transaction. Default true.
 * @throws Error that says what does not agree.
 */
export function checkInvariants(cache: Cache, options: { idle?: boolean } = {}): void {
  const { engine, launcher } = Cache.partsOf(cache)
  const { trie, tier } = engine
  const problems: string[] = []
  const expect = (isRight: boolean, problem: () => string) => {
    if (!isRight) problems.push(problem())
  }
  const expectedUses = new Map<TagNode, number>()
  const use = (node: TagNode) => expectedUses.set(node, (expectedUses.get(node) ?? 0) + 1)
  const inTrie = new Set(trie.nodes())

  for (const node of inTrie) if (node.parent !== null) use(node.parent)
  use(trie.keyRoot)
  let entries = 0
  for (const table of engine.tables.values()) {
    use(table.keyNode)
    for (const [id, entry] of table.entries) {
      entries += 1
      expect(Object.is(entry.id, id), () => `the entry under ${String(id)} believes it is ${String(entry.id)}`)
      expect(entry.slot >= 0, () => `${table.keyOf(id)} is stored but has no place in the memory tier`)
      for (const node of nodesOf(entry.dependencies)) use(node)
    }
  }
  for (const entry of engine.shared?.kept() ?? []) for (const node of nodesOf(entry.dependencies)) use(node)
  expect(entries === (tier?.size ?? 0), () => `${entries} entries in tables, ${tier?.size ?? 0} in the memory tier`)
  try {
    tier?.check()
  } catch (error) {
    problems.push((error as Error).message)
  }
  for (const load of engine.running) {
    for (const node of load.ownDependencies) use(node)
  }
  for (const run of new Set([...engine.running].map((load) => load.run))) for (const node of run.dependencies) use(node)

  const isIdle = options.idle ?? true
  if (isIdle) {
    for (const table of engine.tables.values()) {
      expect(table.flights.size === 0, () => `${table.flights.size} flights of ${table.functionName} are left`)
      expect(table.runningCount === 0, () => `${table.runningCount} loads of ${table.functionName} are left`)
    }
    expect(engine.running.size === 0, () => `${engine.running.size} loads are in the list of running ones`)
    expect(launcher.departures === 0, () => `${launcher.departures} loads hold a slot or a timer`)
    expect(launcher.candidacies === 0, () => `${launcher.candidacies} flights wait for a lease or for another node`)
    expect(engine.slots.used === 0, () => `${engine.slots.used} slots are in use`)
    expect(engine.slots.waiting === 0, () => `${engine.slots.waiting} loads wait for a slot`)
  }
  for (const node of inTrie) {
    const expected = expectedUses.get(node) ?? 0
    const { mark } = node
    const pending = mark === null ? 0 : mark.pending + mark.pendingExpiry
    const isRight = isIdle ? node.uses === expected + pending : node.uses >= expected + pending
    expect(isRight, () => `${pathOf(node)} has ${node.uses} uses, ${expected + pending} were found`)
    expect(node.uses > 0 || mark?.isQueued === true, () => `${pathOf(node)} is kept, but nothing needs it`)
  }
  for (const node of expectedUses.keys()) {
    expect(node.parent === null || inTrie.has(node), () => `${pathOf(node)} is in use, but not in the trie`)
  }
  if (problems.length > 0) throw new Error(`the cache's books don't agree: ${problems.slice(0, 10).join("; ")}`)
}

function pathOf(node: TagNode): string {
  const segments: string[] = []
  for (let at: TagNode | null = node; at !== null && at.parent !== null; at = at.parent)
    segments.unshift(String(at.segment))
  return segments.join(":")
}

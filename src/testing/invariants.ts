import { Cache } from "../core/cache/cache.js"
import { Bundle, type Dependencies, nodesOf } from "../core/tags/dependencies.js"
import type { TagNode } from "../core/tags/tag-node.js"

/**
 * Checks the books of a cache against each other: reference counts of tags, budgets, flights, slots, timers. Cheap enough
 * to run after every test.
 *
 * @param options.idle nothing is supposed to be running: no load, no flight, no transaction. Default true.
 * @throws Error that says what does not agree.
 */
export function checkInvariants(cache: Cache, options: { idle?: boolean } = {}): void {
  const { trie, entries: memory, tables, held, running, launcher, queue } = Cache.coreOf(cache)
  const { tier } = memory
  const problems: string[] = []
  const expect = (isRight: boolean, problem: () => string) => {
    if (!isRight) problems.push(problem())
  }
  const { nodes: expectedUses, bundles, use, useAll } = countUses()
  const inTrie = new Set(trie.nodes())

  for (const node of inTrie) if (node.parent !== null) use(node.parent)
  use(trie.keyRoot)
  let entries = 0
  for (const table of tables) {
    use(table.keyNode)
    for (const [id, entry] of table.entries) {
      entries += 1
      expect(Object.is(entry.id, id), () => `the entry under ${String(id)} believes it is ${String(entry.id)}`)
      expect(entry.slot >= 0, () => `${table.keyOf(id)} is stored but has no place in the memory tier`)
      useAll(entry.dependencies)
    }
  }
  for (const entry of held ?? []) useAll(entry.dependencies)
  expect(entries === (tier?.size ?? 0), () => `${entries} entries in tables, ${tier?.size ?? 0} in the memory tier`)
  try {
    tier?.check()
  } catch (error) {
    problems.push((error as Error).message)
  }
  for (const load of running) {
    for (const node of load.ownDependencies) use(node)
    if (load.bundle !== undefined) useAll(load.bundle)
  }
  for (const { dependencies } of new Set([...running].map((load) => load.run))) {
    for (const node of dependencies.nodes) use(node)
    for (const bundle of dependencies.bundles()) useAll(bundle)
  }
  for (const [bundle, found] of bundles) {
    expect(bundle.uses === found, () => `a bundle of dependencies has ${bundle.uses} uses, ${found} were found`)
  }

  const isIdle = options.idle ?? true
  if (isIdle) {
    expect(running.flights === 0, () => `${running.flights} flights are left`)
    expect(running.size === 0, () => `${running.size} loads are in the list of running ones`)
    expect(launcher.departures === 0, () => `${launcher.departures} loads hold a slot or a timer`)
    expect(launcher.leaseWaits === 0, () => `${launcher.leaseWaits} flights wait for a lease or for another node`)
    expect(queue.used === 0, () => `${queue.used} slots are in use`)
    expect(queue.waiting === 0, () => `${queue.waiting} loads wait for a slot`)
  }
  for (const node of inTrie) {
    const expected = expectedUses.get(node) ?? 0
    const { mark } = node
    const pending = mark === null ? 0 : mark.pending + (mark.soft?.pending ?? 0)
    const isRight = isIdle ? node.uses === expected + pending : node.uses >= expected + pending
    expect(isRight, () => `${pathOf(node)} has ${node.uses} uses, ${expected + pending} were found`)
    expect(node.uses > 0 || mark?.isQueued === true, () => `${pathOf(node)} is kept, but nothing needs it`)
  }
  for (const node of expectedUses.keys()) {
    expect(node.parent === null || inTrie.has(node), () => `${pathOf(node)} is in use, but not in the trie`)
  }
  if (problems.length > 0) throw new Error(`the cache's books don't agree: ${problems.slice(0, 10).join("; ")}`)
}

/** Counts uses of nodes and bundles. A bundle is one user of what it holds, whoever holds it. */
function countUses() {
  const nodes = new Map<TagNode, number>()
  const bundles = new Map<Bundle, number>()
  const use = (node: TagNode) => nodes.set(node, (nodes.get(node) ?? 0) + 1)
  const useAll = (dependencies: Dependencies) => {
    if (!(dependencies instanceof Bundle)) {
      for (const node of nodesOf(dependencies)) use(node)
      return
    }
    const open = [dependencies]
    for (let bundle = open.pop(); bundle !== undefined; bundle = open.pop()) {
      const found = bundles.get(bundle) ?? 0
      bundles.set(bundle, found + 1)
      if (found > 0) continue
      for (const node of bundle.nodes) use(node)
      for (const part of bundle.parts) open.push(part)
    }
  }
  return { nodes, bundles, use, useAll }
}

function pathOf(node: TagNode): string {
  const segments: string[] = []
  for (let at: TagNode | null = node; at !== null && at.parent !== null; at = at.parent)
    segments.unshift(String(at.segment))
  return segments.join(":")
}

import { PolicyDuel } from "./policy-duel.js"
import { type EvictionOptions, WindowTinyLfu } from "./window-tiny-lfu.js"

/** W-TinyLFU that follows recency alone while a duel of the two says so. */
export function evictionPolicy(options: Omit<EvictionOptions, "advisor">): WindowTinyLfu {
  return new WindowTinyLfu({ ...options, advisor: () => new PolicyDuel(options) })
}

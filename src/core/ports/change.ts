import type { LogChange } from "./log.js"

/** A name for what a change is about: two changes with one id are the same change, and the newer version counts. */
export function changeId({ kind, path }: LogChange): string {
  return `${kind} ${path}`
}

/** Tags and expiries share a budget and a floor, keys and functions another. */
export function isOfTags({ kind }: Pick<LogChange, "kind">): boolean {
  return kind === "tag" || kind === "expiry"
}

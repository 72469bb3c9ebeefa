/** What must not outlive this process, whether it ends by itself or by Ctrl-C. */
import { constants } from "node:os"

const works = new Set<() => void>()

/** Does it when this process ends. Returns what takes that back, for when it has been done. */
export function atExit(work: () => void): () => void {
  if (works.size === 0) watch()
  works.add(work)
  return () => void works.delete(work)
}

let isWatching = false

function watch(): void {
  if (isWatching) return
  isWatching = true
  process.on("exit", () => {
    for (const work of works) work()
  })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => process.exit(128 + constants.signals[signal]))
  }
}

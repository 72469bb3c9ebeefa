/** Opens, with so much patience; then appends once while the lock is held elsewhere, closes, and says how long each took. */
import { openBackend } from "./backends.js"

const [path = "", patienceMs = ""] = process.argv.slice(2)
const { log, close } = openBackend(path)
const opened = log.pull({ epoch: undefined, cursor: 0 }).then(
  () => "opened",
  () => "failed",
)
const state = await Promise.race([opened, new Promise((resolve) => setTimeout(resolve, Number(patienceMs), "opening"))])
process.send?.(state)
process.once("message", () => void go())

async function go() {
  let longestMs = 0
  let last = performance.now()
  const watch = setInterval(() => {
    longestMs = Math.max(longestMs, performance.now() - last)
    last = performance.now()
  }, 1)
  const answer = log.append([{ kind: "tag", path: "a" }], { epoch: undefined, cursor: 0 }, "child").then(
    () => "acknowledged",
    () => "rejected",
  )
  const outcome = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 300, "waiting"))])
  const begin = performance.now()
  await close()
  clearInterval(watch)
  process.send?.({ outcome, longestMs, closeMs: performance.now() - begin }, () => process.disconnect())
}

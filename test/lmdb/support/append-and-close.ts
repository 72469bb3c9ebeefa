/** Opens, with so much patience; then appends once while the lock is held elsewhere, closes, and says what came of it. */
import { openBackend } from "./backends.js"

const [path = "", patienceMs = ""] = process.argv.slice(2)
const { log, close } = openBackend(path)
const opened = log.pull({ epoch: undefined, cursor: 0 }).then(
  () => "opened",
  () => "failed",
)
let patience: NodeJS.Timeout | undefined
const impatient = new Promise((resolve) => (patience = setTimeout(resolve, Number(patienceMs), "opening")))
process.send?.(await Promise.race([opened, impatient]))
clearTimeout(patience)
process.once("message", () => void go())

async function go() {
  const answer = log.append([{ kind: "tag", path: "a" }], { epoch: undefined, cursor: 0 }, "child").then(
    () => "acknowledged",
    () => "rejected",
  )
  const outcome = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 300, "waiting"))])
  await close()
  process.send?.({ outcome }, () => process.disconnect())
}

/** The program of a process that writes all the time, and ends in the middle of it: in some way, or when it is told to. */
import { createCache } from "zoocache"
import { lmdb } from "zoocache/lmdb"

const [path = "", way = ""] = process.argv.slice(2)
const cache = createCache({ backend: lmdb({ path }), ackTimeout: 300 })
await cache.ready()
const load = cache.cacheable(async (id: number) => `${id} `.repeat(100), { name: "load", deps: (id) => [`row:${id}`] })

const leave: Record<string, () => void> = {
  "process.exit()": () => process.exit(7),
  "process.exit() in a handler of SIGTERM": () => process.kill(process.pid, "SIGTERM"),
  "process.exit() after beforeExit": () => {
    clearInterval(writing)
    process.once("beforeExit", () => {
      write()
      setTimeout(() => process.exit(7), 2)
    })
  },
  "an exception": () => {
    throw new Error("on purpose")
  },
  SIGTERM: () => process.kill(process.pid, "SIGTERM"),
  SIGINT: () => process.kill(process.pid, "SIGINT"),
}
if (way.endsWith("handler of SIGTERM")) process.on("SIGTERM", () => process.exit(7))

let count = 0
function write(): void {
  for (let each = 0; each < 300; each += 1) {
    count += 1
    void load(count % 500)
    if (count % 3 === 0) cache.invalidate(`row:${count % 500}`).catch(() => isLate())
  }
}

/** What it has written waits for the lock. Said once. */
let isLate = () => {
  isLate = () => {}
  if (process.connected) process.send?.("late")
}

let writing: NodeJS.Timeout | undefined
if (way === "") {
  process.on("message", (message) => {
    if (message === "write") writing = setInterval(write, 1)
    else process.exit(7)
  })
  process.send?.("ready")
} else {
  // A channel would keep it alive.
  process.disconnect()
  writing = setInterval(write, 1)
  setTimeout(() => leave[way]?.(), 30 + Math.random() * 70)
}

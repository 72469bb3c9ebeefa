/** Begins to open, and closes again with nothing to write; says how long that took. */
import { openBackend } from "./backends.js"

const { close } = openBackend(process.argv[2] ?? "")
await new Promise((resolve) => setTimeout(resolve, 500))
const begin = performance.now()
await close()
process.send?.(performance.now() - begin, () => process.disconnect())

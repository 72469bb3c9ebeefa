/** Begins to open, and closes again with nothing to write; says when it has. */
import { openBackend } from "./backends.js"

const { close } = openBackend(process.argv[2] ?? "")
await new Promise((resolve) => setTimeout(resolve, 500))
await close()
process.send?.("closed", () => process.disconnect())

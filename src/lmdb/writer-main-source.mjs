// The writer thread from the sources. Node.js gives a worker none of the loaders of the thread that starts it.
import { register } from "tsx/esm/api"

register()
await import("./writer-main.ts")

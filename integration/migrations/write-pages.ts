/** Writes the code of docs/migrations to `pages/`, beside the database of the recipes. */
import { join } from "node:path"
import { writePages } from "../../scripts/integration/code-blocks.js"

const here = import.meta.dirname
const pages = ["bentocache", "cache-manager", "keyv", "lru-cache", "unstable-cache"]
writePages("migrations", pages, join(here, "pages"), join(here, "..", "frameworks", "fixtures"))

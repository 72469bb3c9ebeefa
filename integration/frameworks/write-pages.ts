/** Writes the code of docs/recipes to `pages/`, beside the database of the fixtures. */
import { join } from "node:path"
import { writePages } from "../../scripts/integration/code-blocks.js"

const here = import.meta.dirname
const pages = ["bullmq", "express", "fastify", "graphql", "hono", "http-etag", "trpc"]
writePages("recipes", pages, join(here, "pages"), join(here, "fixtures"))

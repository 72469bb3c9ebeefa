/** Writes the code of those docs/recipes that are about databases to `pages/`, and has Prisma make its client there. */
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { writePages } from "../../scripts/integration/code-blocks.js"

const pages = ["drizzle", "knex", "kysely", "mikro-orm", "prisma", "sequelize", "typeorm"]
writePages("recipes", pages, join(import.meta.dirname, "pages"))

// An engine for migrations would be downloaded, and nothing here migrates.
const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: "1" }
const prisma = join(import.meta.dirname, "node_modules", "prisma", "build", "index.js")
execFileSync(process.execPath, [prisma, "generate", "--schema", "pages/prisma/schema.prisma", "--no-hints"], {
  cwd: import.meta.dirname,
  env,
  stdio: ["ignore", "ignore", "inherit"],
})

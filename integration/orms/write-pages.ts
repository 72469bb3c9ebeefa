/** Writes the code of those docs/recipes that are about databases to `pages/`. */
import { join } from "node:path"
import { writePages } from "../../scripts/integration/code-blocks.js"

const pages = ["drizzle", "knex", "kysely", "mikro-orm", "sequelize", "typeorm"]
writePages("recipes", pages, join(import.meta.dirname, "pages"))

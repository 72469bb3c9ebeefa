/**
 * Whether what is about to be published is what it says: the tag names the version of package.json, and CHANGELOG.md has a
 * section for it. `RELEASE_REF` is the ref that the workflow runs on, and `GITHUB_REPOSITORY` where that is; what is not set is
 * not looked at.
 */
import { readFileSync } from "node:fs"
import { packageJson, root } from "./entries.js"

const { version } = packageJson
const ref = process.env["RELEASE_REF"]
const problems: string[] = []
if (ref !== undefined && ref !== `refs/tags/v${version}`) {
  problems.push(`package.json has version ${version}, so the release runs on the tag v${version} and not on ${ref}`)
}
if (!readFileSync(`${root}CHANGELOG.md`, "utf8").includes(`\n## [${version}]`)) {
  problems.push(`CHANGELOG.md has no section "## [${version}]": name the one that is "Unreleased" so`)
}
// Provenance says which repository a package comes from, and npm compares that with what the package says.
const repository = process.env["GITHUB_REPOSITORY"]
if (repository !== undefined && !JSON.stringify(packageJson.repository ?? "").includes(repository)) {
  problems.push(`package.json does not name the repository ${repository} in "repository", which provenance needs`)
}
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exit(1)
console.log(`${packageJson.name} ${version} is ready to be published`)

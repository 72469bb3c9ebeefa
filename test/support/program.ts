import type { ProgramName } from "../setup/programs.js"

/** A program in JavaScript, made of the sources by test/setup/programs.ts before the tests began. */
export function program(name: ProgramName): string {
  const folder = process.env["ZOOCACHE_PROGRAMS"]
  if (folder === undefined) throw new Error("The programs are made by test/setup/programs.ts, which Vitest runs")
  return `${folder}/${name}.mjs`
}

import { spawnSync } from "node:child_process"
import { findServer, look, type ServerProgram } from "./find-server.js"

/**
 * What is there, or else what the system's package manager installs. Not to be called by several processes at once: the
 * one that starts the tests does it for all of them.
 */
export function findOrInstallServer(): ServerProgram {
  if (look() === undefined) install()
  return findServer()
}

function install(): void {
  if (process.platform === "darwin") {
    run("brew", ["install", "redis"])
    return
  }
  if (process.platform !== "linux" || process.getuid?.() !== 0) return
  // Lists that can't be renewed may still be good enough.
  run("apt-get", ["update", "-q"])
  run("apt-get", ["install", "-q", "-y", "--no-install-recommends", "redis-server"])
}

/** A failure is reported here and leads to the error of {@link findServer}. */
function run(program: string, args: readonly string[]): void {
  console.error(`No redis-server, no valkey-server: ${[program, ...args].join(" ")}`)
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    encoding: "utf8",
    timeout: 300_000,
    // Where nothing supervises services, "single user" keeps the package from starting one. It would be harmless.
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
  })
  if (status !== 0) console.error(error?.message ?? `${stdout}${stderr}`.trim())
}

import { findOrInstallServer } from "../redis/support/install-server.js"

/** Runs once, before there are workers: they inherit the environment, and none of them has to install anything. */
export default function setup(): void {
  try {
    process.env["REDIS_SERVER"] = findOrInstallServer().path
  } catch (error) {
    // The tests that need a server fail by themselves, with this error; the others don't need one.
    console.error(error instanceof Error ? error.message : error)
  }
}

import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"

/**
 * Names this run of the machine's kernel, in letters that file names may have; undefined where the system does not tell.
 */
export function readBootId(): string | undefined {
  try {
    const text =
      process.platform === "darwin"
        ? execFileSync("/usr/sbin/sysctl", ["-n", "kern.bootsessionuuid"], { encoding: "utf8", timeout: 2000 })
        : readFileSync("/proc/sys/kernel/random/boot_id", "utf8")
    const id = text.toLowerCase().replaceAll(/[^0-9a-f]/g, "")
    return id === "" ? undefined : id.slice(0, 32)
  } catch {
    return undefined
  }
}

import { statfsSync } from "node:fs"

/** How much this process may still write to the disk of a directory; Infinity where the system does not tell. */
export function readFreeBytes(directory: string): number {
  try {
    const { bavail, bsize, blocks } = statfsSync(directory)
    return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

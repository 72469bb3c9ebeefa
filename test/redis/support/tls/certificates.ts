import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** Where a server finds its certificate. README.md tells how it was made. */
export const certificateFiles = { ca: pathOf("ca.pem"), cert: pathOf("server.pem"), key: pathOf("server-key.pem") }

/** What a client needs to trust that server: `tls: { ca }`. */
export const ca = readFileSync(certificateFiles.ca, "utf8")

function pathOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}

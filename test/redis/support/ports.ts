import { once } from "node:events"
import { createServer } from "node:net"

/**
 * Below the range from which systems take ports for outgoing connections: while a server is down nothing takes its port,
 * and a client that tries to reach it is not connected to itself. 10,000 above is free as well: a cluster's bus.
 */
const FIRST_PORT = 10_000
/** Test files that run at the same time take theirs from different parts: what is down for a moment gets its port back. */
const PARTS = 4
const PORTS = 10_000 / PARTS
const PART = Number(process.env["VITEST_POOL_ID"] ?? 0) % PARTS
export const BUS_OFFSET = 10_000

/** A port of 127.0.0.1 that was free a moment ago. Whoever uses it has to be ready to try another. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = FIRST_PORT + PART * PORTS + Math.floor(Math.random() * PORTS)
    if ((await isFree(port)) && (await isFree(port + BUS_OFFSET))) return port
  }
  throw new Error("No free port")
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, "127.0.0.1")
    await once(server, "listening")
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}

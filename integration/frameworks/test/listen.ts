import type { Server } from "node:http"
import type { AddressInfo } from "node:net"

/** The address of a server, once it listens. */
export async function addressOf(server: Server): Promise<string> {
  if (!server.listening) await new Promise((resolve) => server.once("listening", resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export async function closed(server: Server): Promise<void> {
  const closing = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closing
}

export const put = (url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { method: "PUT", body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } })

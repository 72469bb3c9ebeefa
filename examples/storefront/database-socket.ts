/** A connection to the database from another process: what a message port is between threads, over a local socket. */
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import type { Connection } from "./database.js"

export async function connectTo(port: number): Promise<Connection> {
  const socket = connect(port, "127.0.0.1")
  await once(socket, "connect")
  return connectionOver(socket)
}

/** One message a line, as JSON. */
export function connectionOver(socket: Socket): Connection {
  socket.setNoDelay(true)
  return {
    postMessage: (message) => void socket.write(`${JSON.stringify(message)}\n`),
    on: (event, listener) => {
      if (event === "close") socket.on("close", listener)
      else onLine(socket, (line) => listener(JSON.parse(line)))
    },
    close: () => socket.destroy(),
  }
}

/** Without node:readline, which turns an error of the socket into one of its own, and half a line into a line at the end. */
function onLine(socket: Socket, listener: (line: string) => void): void {
  let begun = ""
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (begun + chunk).split("\n")
    begun = lines.pop() ?? ""
    for (const line of lines) listener(line)
  })
}

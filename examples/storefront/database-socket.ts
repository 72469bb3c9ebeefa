/** A connection to the database from another process: what a message port is between threads, over a local socket. */
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { createInterface } from "node:readline"
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
      else createInterface({ input: socket }).on("line", (line) => listener(JSON.parse(line)))
    },
    close: () => socket.destroy(),
  }
}

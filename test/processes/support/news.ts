/**
 * One process changes a row, waits for the acknowledgement, and says so in one byte over a socket; the other has read
 * the row right before, and reads it again as soon as that byte is there.
 */
import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { setImmediate } from "node:timers/promises"
import { now, type Station } from "./station.js"

/**
 * How the byte is heard: `callback`: the row is read in the callback that brings it. `sync`: by a synchronous function
 * there. `chain`: by somebody who awaits it, in a chain of awaits that reads all the time. `batch`: two sockets are
 * readable in one turn; the row is read in the callback of the first, is changed while that callback is still busy, and
 * is read again in the callback of the second.
 */
export type NewsMode = "callback" | "sync" | "chain" | "batch"

const ROW = 0

/** Listens until the other end leaves. Resolves when it listens. */
export async function listen(station: Station, path: string, mode: NewsMode): Promise<void> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    if (mode === "batch") hearInOneBatch(station, sockets)
    else void hear(station, socket, mode)
  })
  server.listen(path)
  await once(server, "listening")
}

async function hear(station: Station, socket: Socket, mode: NewsMode): Promise<void> {
  // What was read has been recorded; the answer only starts the next round.
  const answer = (_read?: unknown) => void socket.write("!")
  if (mode === "chain") void hearInChain(station, socket, answer)
  else {
    socket.on("data", () => {
      if (mode === "callback") void station.row(ROW).then(answer)
      else answer(station.rowSync(ROW))
    })
  }
  // Looks at the cache in every turn, so that it has looked right before the byte comes.
  while (!socket.destroyed) {
    if (mode === "sync") station.rowSync(ROW)
    else await station.row(ROW)
    await setImmediate()
  }
}

async function hearInChain(station: Station, socket: Socket, answer: () => void): Promise<void> {
  for await (const _byte of socket) {
    for (let link = 0; link < 10; link += 1) await Promise.resolve()
    await station.row(ROW)
    answer()
  }
}

function hearInOneBatch(station: Station, sockets: readonly Socket[]): void {
  const [first, second] = sockets
  if (first === undefined || second === undefined) return
  first.on("data", () => {
    void station.row(ROW)
    // Goes out at once; then this turn lasts until the other has surely changed the row.
    first.write("!")
    const endNs = now() + 1e6
    while (now() < endNs);
  })
  second.on("data", (bytes) => {
    void station.row(ROW)
    if (bytes.includes("2")) second.write("!")
  })
}

export async function tell(station: Station, path: string, mode: NewsMode, rounds: number): Promise<void> {
  const first = await connected(path)
  const second = mode === "batch" ? await connected(path) : first
  for (let round = 0; round < rounds; round += 1) {
    if (mode === "batch") {
      // Both are readable when the other end wakes up; what follows the change is read in the same turn.
      second.write("1")
      first.write("1")
      await once(first, "data")
    }
    await station.change(ROW)
    second.write("2")
    await once(second, "data")
  }
  first.destroy()
  second.destroy()
}

async function connected(path: string): Promise<Socket> {
  const socket = connect(path).setNoDelay(true)
  await once(socket, "connect")
  return socket
}

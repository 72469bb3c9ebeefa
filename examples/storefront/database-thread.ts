/**
 * PostgreSQL in a thread of its own, so that a query costs a way through a queue, as it does with a database elsewhere,
 * and does not stop the server's event loop. Other threads connect by a message port, other processes by a socket.
 */
// oxlint-disable unicorn/require-post-message-target-origin -- a rule for browser windows; these are threads
import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import { setImmediate } from "node:timers/promises"
import { type MessagePort, parentPort } from "node:worker_threads"
import { PGlite } from "@electric-sql/pglite"
import { connectionOver } from "./database-socket.js"
import type { Answer, Connection, Question } from "./database.js"

const postgres = await PGlite.create()

const questions: { connection: Connection; question: Question }[] = []
let isAnswering = false

function serve(connection: Connection): void {
  connection.on("message", (question) => {
    questions.push({ connection, question: question as Question })
    if (!isAnswering) void answerAll()
  })
}

async function answerAll(): Promise<void> {
  isAnswering = true
  for (let next = questions.shift(); next !== undefined; next = questions.shift()) {
    next.connection.postMessage(await answer(next.question))
    // A query is one long turn. Without a break after it, a busy connection would keep the others from being heard.
    await setImmediate()
  }
  isAnswering = false
}

async function answer({ id, sql, params, copy }: Question): Promise<Answer> {
  try {
    const options = copy === undefined ? {} : { blob: new Blob([copy]) }
    const { rows } = await postgres.query(sql, params, options)
    return { id, rows }
  } catch (error) {
    return { id, error: `${error instanceof Error ? error.message : String(error)}\n  in: ${sql.trim()}` }
  }
}

parentPort?.on("message", (port: MessagePort) => serve(port))

const sockets = createServer((socket) => {
  // A server that was stopped needs no answers.
  socket.on("error", () => {})
  serve(connectionOver(socket))
})
sockets.listen(0, "127.0.0.1")
await once(sockets, "listening")
parentPort?.postMessage((sockets.address() as AddressInfo).port)

/**
 * PostgreSQL in a thread of its own, so that a query costs a way through a queue, as it does with a database elsewhere,
 * and does not stop the server's event loop. Whoever connects gets a message port.
 */
// oxlint-disable unicorn/require-post-message-target-origin -- a rule for browser windows; these are threads
import { setImmediate } from "node:timers/promises"
import { type MessagePort, parentPort } from "node:worker_threads"
import { PGlite } from "@electric-sql/pglite"
import type { Answer, Question } from "./database.js"

const postgres = await PGlite.create()

const questions: { port: MessagePort; question: Question }[] = []
let isAnswering = false

function serve(port: MessagePort): void {
  port.on("message", (question: Question) => {
    questions.push({ port, question })
    if (!isAnswering) void answerAll()
  })
}

async function answerAll(): Promise<void> {
  isAnswering = true
  for (let next = questions.shift(); next !== undefined; next = questions.shift()) {
    next.port.postMessage(await answer(next.question))
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

parentPort?.on("message", serve)
parentPort?.postMessage("ready")

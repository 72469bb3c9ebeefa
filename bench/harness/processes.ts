import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import type { Measured, Parameters, Runner } from "./question.js"

type Reply = { isReady: true } | { measured: Measured } | { error: string }

/** Starts a contestant in a process of its own. Resolves once it is warm. */
export async function startProcess(
  file: string,
  contestant: { readonly question: string; readonly name: string; readonly parameters: Parameters },
  nodeOptions: readonly string[],
): Promise<Runner> {
  const label = `${contestant.question}/${contestant.name}`
  const child = fork(file, [contestant.question, contestant.name, JSON.stringify(contestant.parameters)], {
    execArgv: [...nodeOptions],
    // What the parent's loader needs is not for measured processes.
    env: { ...process.env, NODE_OPTIONS: "", NODE_ENV: "production" },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  })
  await replyOf(child, label)
  return {
    pid: child.pid as number,
    async round(parameters = {}) {
      child.send(parameters)
      const reply = await replyOf(child, label)
      if (!("measured" in reply)) throw new Error(`${label} answered without a measurement`)
      return reply.measured
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, "exit")
      child.disconnect()
      await exited
    },
  }
}

function replyOf(child: ChildProcess, label: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: unknown) => {
      child.off("exit", onExit)
      const reply = message as Reply
      if ("error" in reply) reject(new Error(`${label} failed: ${reply.error}`))
      else resolve(reply)
    }
    const onExit = (code: number | null) => {
      child.off("message", onMessage)
      reject(new Error(`${label} ended with code ${code}`))
    }
    child.once("message", onMessage)
    child.once("exit", onExit)
  })
}

/** A Redis or Valkey server of the demo's own: in a temporary folder, on a free port, gone when the demo ends. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { atExit } from "./at-exit.js"
import { FlagError } from "./flags.js"

const HOST = "127.0.0.1"
const NAMES = ["redis-server", "valkey-server"]

/** Where a server's program is, and of which version it is. */
export interface RedisProgram {
  readonly path: string
  readonly name: string
  readonly version: string
}

/** `REDIS_SERVER`, or what is on the PATH. Throws `FlagError` where there is none. */
export function findRedis(): RedisProgram {
  const named = process.env["REDIS_SERVER"]
  const isNamed = named !== undefined && named !== ""
  for (const path of isNamed ? [named] : NAMES) {
    const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" })
    // `Redis server v=7.0.15 sha=…`
    const version = /\bserver v=(\S+)/i.exec(stdout ?? "")?.[1]
    if (version !== undefined) return { path, name: stdout.startsWith("Redis") ? "Redis" : "Valkey", version }
  }
  throw new FlagError(
    `--redis needs a server of Redis or Valkey, and ${isNamed ? `REDIS_SERVER, ${named}, is none` : "there is none"}. ` +
      "Install redis-server or valkey-server (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis), " +
      "or set REDIS_SERVER to the path of the program.",
  )
}

export class RedisServer {
  readonly #program: string
  readonly #port: number
  readonly #folder = mkdtempSync(join(tmpdir(), "storefront-redis-"))
  readonly #forget: () => void
  #child: ChildProcess | undefined

  private constructor(program: string, port: number) {
    this.#program = program
    this.#port = port
    this.#forget = atExit(() => this.#end())
  }

  /** Resolves when it answers. */
  static async start({ path }: RedisProgram): Promise<RedisServer> {
    for (let attempt = 1; ; attempt += 1) {
      const server = new RedisServer(path, await freePort())
      try {
        await server.restart()
        return server
      } catch (error) {
        await server.stop()
        // Somebody else may have taken the port.
        if (attempt === 3) throw error
      }
    }
  }

  get url(): string {
    return `redis://${HOST}:${this.#port}`
  }

  /** With -9: it can't put anything in order. What it has acknowledged is in its file all the same. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, "exit")
    child.kill("SIGKILL")
    await ended
  }

  /** On the same port, with what is in its file. Resolves when it answers. */
  async restart(): Promise<void> {
    const options = { port: this.#port, bind: HOST, dir: this.#folder, logfile: "log", save: "", appendonly: "yes" }
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
    const child = spawn(this.#program, args, { stdio: "ignore" })
    this.#child = child
    let end = ""
    child.once("error", (error) => (end = error.message))
    child.once("exit", (code) => (end = `it ended with ${code}: ${this.#lastWords()}`))
    while ((await this.#ask("PING").catch(() => "")) !== "+PONG") {
      if (end !== "") throw new Error(`${this.#program} did not start: ${end}`)
      await setTimeout(20)
    }
  }

  /** SIGSTOP: its connections stay, and nobody answers. */
  pause(): void {
    this.#child?.kill("SIGSTOP")
  }

  resume(): void {
    this.#child?.kill("SIGCONT")
  }

  /** Ends the connections on which invalidations are announced. Returns how many there were. */
  async dropSubscribers(): Promise<number> {
    return Number((await this.#ask("CLIENT KILL TYPE pubsub")).slice(1))
  }

  async stop(): Promise<void> {
    await this.kill()
    this.#forget()
    this.#end()
  }

  #end(): void {
    this.#child?.kill("SIGKILL")
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 })
  }

  /** One command on a connection of its own; the first line of the reply. */
  async #ask(command: string): Promise<string> {
    const socket = connect(this.#port, HOST)
    socket.setTimeout(2000, () => socket.destroy(new Error("no reply")))
    socket.once("end", () => socket.destroy(new Error("no reply")))
    try {
      socket.write(`${command}\r\n`)
      const [reply] = (await once(socket, "data")) as [Buffer]
      return reply.toString().trim()
    } finally {
      socket.destroy()
    }
  }

  #lastWords(): string {
    try {
      return readFileSync(join(this.#folder, "log"), "utf8").trim().split("\n").slice(-3).join(" / ")
    } catch {
      return "it left no log"
    }
  }
}

/**
 * Below the ports that systems give to outgoing connections: while the server is down nobody else gets its port, and a
 * client that tries to reach it is not connected to itself.
 */
async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = 10_000 + Math.floor(Math.random() * 10_000)
    const server = createServer()
    try {
      server.listen(port, HOST)
      await once(server, "listening")
      return port
    } catch {
      // Taken.
    } finally {
      server.close()
    }
  }
  throw new Error("There is no free port")
}

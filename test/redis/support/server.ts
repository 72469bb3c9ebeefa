import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Redis } from "ioredis"
import { findServer } from "./find-server.js"
import { freePort } from "./ports.js"
import { newFolder } from "./reaper.js"
import { ServerProcess } from "./server-process.js"
import type { SteppedClock } from "./stepped-clock.js"
import { ca, certificateFiles } from "./tls/certificates.js"
import { until } from "./until.js"

/** Under the names that redis.conf has for them. Without any: a server that keeps nothing and lets everybody in. */
export interface ServerOptions {
  /** Nothing that was acknowledged is lost when the process is killed. */
  readonly appendonly?: boolean
  /** When to save a snapshot, such as `"1 1"`; also makes `stop()` save one. */
  readonly save?: string
  readonly maxmemory?: string
  readonly maxmemoryPolicy?: string
  readonly requirepass?: string
  /** Such as `"alice on >secret ~app:* +@all"`. */
  readonly users?: readonly string[]
  /** Keeps the users in a file of their own, for `ACL LOAD` and `ACL SAVE`. */
  readonly aclfile?: boolean
  /** Resolves when the replica has all that its master has. */
  readonly replicaof?: RedisServer
  /** Speaks TLS only. */
  readonly tls?: boolean
  /** More lines of redis.conf. */
  readonly config?: readonly string[]
  /** A process that watches over others; its `config` says which. */
  readonly sentinel?: boolean
  /** Instead of the machine's. */
  readonly clock?: SteppedClock
}

/** What ioredis and iovalkey take as options. */
export interface Connection {
  readonly host: string
  readonly port: number
  readonly username?: string
  readonly password?: string
  readonly tls?: { readonly ca: string }
}

type Argument = string | number | Buffer

/** Integers come as strings, too. */
export type Reply = string | null | readonly Reply[]

const HOST = "127.0.0.1"
/** The user who may do everything, where there are `users`. */
export const administrator = { username: "zoocache-tests", password: "zoocache-tests" }

/** A real server on 127.0.0.1. Runs until it is disposed of, or until this process ends. */
export class RedisServer implements AsyncDisposable {
  readonly port: number
  readonly #options: ServerOptions
  readonly #folder = newFolder()
  #process: ServerProcess | undefined

  private constructor(port: number, options: ServerOptions) {
    this.port = port
    this.#options = options
    this.#configure()
  }

  /** Resolves when it answers and has loaded its data. */
  static async start(options: ServerOptions = {}): Promise<RedisServer> {
    for (;;) {
      const server = new RedisServer(await freePort(), options)
      try {
        await server.#launch()
        if (options.replicaof !== undefined) await server.untilInSync()
        return server
      } catch (error) {
        const wasTaken = server.log().includes("Address already in use")
        await server[Symbol.asyncDispose]()
        if (!wasTaken) throw error
      }
    }
  }

  /** With the password of the default user, if it has one. */
  get url(): string {
    const { requirepass } = this.#options
    return this.urlAs("", requirepass ?? "")
  }

  urlAs(user: string, password: string): string {
    const scheme = this.#options.tls ? "rediss" : "redis"
    const who = password === "" ? "" : `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`
    return `${scheme}://${who}${HOST}:${this.port}`
  }

  /** For the default user, as options. */
  get connection(): Connection {
    const { requirepass, tls } = this.#options
    return {
      host: HOST,
      port: this.port,
      ...(requirepass === undefined ? {} : { password: requirepass }),
      ...(tls ? { tls: { ca } } : {}),
    }
  }

  get pid(): number {
    return this.#running.pid
  }

  get isRunning(): boolean {
    return this.#process !== undefined && !this.#process.hasEnded
  }

  /** SIGKILL; resolves when it has ended. */
  async kill(): Promise<void> {
    await this.#process?.kill()
  }

  /** SIGTERM: it saves if it was told to `save`. Resolves when it has ended. */
  async stop(): Promise<void> {
    await this.#process?.stop()
  }

  /** SIGSTOP; resolves when it stands still. */
  pause(): Promise<void> {
    return this.#running.pause()
  }

  resume(): void {
    this.#running.resume()
  }

  /**
   * Starts it again on the same port, after `stop()` if it still runs. It finds what it has written to disk, thus nothing
   * without `appendonly` or `save`; `keepData: false` removes that (and what a sentinel or a cluster had agreed on),
   * `keepData: true` throws where there can't be any.
   */
  async restart({ keepData }: { readonly keepData?: boolean } = {}): Promise<void> {
    const { appendonly = false, save = "" } = this.#options
    if (keepData === true && !appendonly && save === "") throw new Error("This server does not write its data to disk")
    await this.stop()
    if (keepData === false) this.#configure()
    const { length } = this.log()
    const relaunch = async () => {
      try {
        await this.#launch()
        return true
      } catch (error) {
        // Somebody may have looked whether the port is free.
        if (this.log().slice(length).includes("Address already in use")) throw error
        return error as Error
      }
    }
    const outcome = await until(relaunch, { what: "the port to be free again" })
    if (outcome instanceof Error) throw outcome
  }

  /** Sends one command over a connection of its own, as somebody who may do everything. */
  command(name: string, ...args: readonly Argument[]): Promise<Reply> {
    return this.#send(this.port, name, args)
  }

  /** The fields of `INFO`. */
  async info(section = "default"): Promise<ReadonlyMap<string, string>> {
    return fieldsOf(await this.command("INFO", section))
  }

  /** Resolves when this replica has what its master had, and gets what is written from now on. */
  async untilInSync(): Promise<void> {
    await until(
      async () => {
        const info = await this.info("replication")
        if (info.get("master_link_status") !== "up") return false
        // The link is up before the master sends what was written since the snapshot: up to a second before.
        const replicas = await this.#send(Number(info.get("master_port")), "INFO", ["replication"])
        return String(replicas).includes(`port=${this.port},state=online`)
      },
      { what: `the replica on port ${this.port} to follow its master` },
    )
  }

  /** All that it has printed so far. */
  log(): string {
    return readFileSync(this.#logFile, "utf8")
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 })
  }

  get #running(): ServerProcess {
    if (this.#process === undefined || this.#process.hasEnded) throw new Error("The server does not run")
    return this.#process
  }

  get #logFile(): string {
    return join(this.#folder, "log")
  }

  get #configFile(): string {
    return join(this.#folder, "redis.conf")
  }

  /** To this server, or to another that was started with the same options. */
  async #send(port: number, name: string, args: readonly Argument[]): Promise<Reply> {
    const client = new Redis({
      ...this.connection,
      ...(this.#options.users === undefined ? {} : administrator),
      port,
      protocol: 2,
      stringNumbers: true,
      lazyConnect: true,
      enableReadyCheck: false,
      disableClientInfo: true,
      retryStrategy: null,
      commandTimeout: 60_000,
    })
    // What goes wrong is what the call below rejects with.
    client.on("error", () => {})
    try {
      await client.connect()
      return (await client.call(name, [...args])) as Reply
    } finally {
      client.disconnect()
    }
  }

  async #launch(): Promise<void> {
    const args = [this.#configFile, ...(this.#options.sentinel ? ["--sentinel"] : [])]
    const launched = new ServerProcess(findServer().path, args, this.#logFile, this.#options.clock?.environment)
    this.#process = launched
    try {
      await until(
        async () => {
          if (launched.hasEnded) return "ended"
          const info = await this.info()
          // Somebody else's server may have got the port.
          const isOurs = info.get("process_id") === `${launched.pid}`
          return isOurs && (info.get("loading") ?? "0") === "0"
        },
        { what: "the server to answer" },
      )
    } catch (error) {
      await launched.kill()
      throw new Error(`The server does not answer. ${this.log()}`, { cause: error })
    }
    if (launched.hasEnded) throw new Error(`The server has ended. ${this.log()}`)
  }

  /** Once, not at each start: servers and sentinels write what they learn into this file. */
  #configure(): void {
    const data = join(this.#folder, "data")
    rmSync(data, { recursive: true, force: true })
    mkdirSync(data)
    const users = this.#users()
    const lines = [...this.#lines(data), ...(this.#options.aclfile ? [`aclfile "${join(data, "users.acl")}"`] : users)]
    if (this.#options.aclfile) writeFileSync(join(data, "users.acl"), `${users.join("\n")}\n`)
    writeFileSync(this.#configFile, `${lines.join("\n")}\n`)
  }

  #users(): string[] {
    const { users, requirepass } = this.#options
    if (users === undefined) return []
    return [
      // In a file of users, `requirepass` has no say.
      ...(requirepass === undefined ? [] : [`user default on >${requirepass} ~* &* +@all`]),
      `user ${administrator.username} on >${administrator.password} ~* &* +@all`,
      ...users.map((user) => `user ${user}`),
    ]
  }

  #lines(data: string): string[] {
    const { tls = false, sentinel = false, config = [] } = this.#options
    return [
      `bind ${HOST}`,
      `port ${tls ? 0 : this.port}`,
      `dir "${data}"`,
      ...(tls ? this.#tlsLines() : []),
      ...(sentinel ? [] : this.#serverLines()),
      ...config,
    ]
  }

  #tlsLines(): string[] {
    return [
      `tls-port ${this.port}`,
      `tls-ca-cert-file "${certificateFiles.ca}"`,
      `tls-cert-file "${certificateFiles.cert}"`,
      `tls-key-file "${certificateFiles.key}"`,
      "tls-auth-clients no",
      "tls-replication yes",
      "tls-cluster yes",
    ]
  }

  #serverLines(): string[] {
    const { appendonly = false, save = "", maxmemory, maxmemoryPolicy, requirepass, users, replicaof } = this.#options
    return [
      `appendonly ${appendonly ? "yes" : "no"}`,
      `save ${save === "" ? '""' : save}`,
      // By default a master waits five seconds for more replicas before it serves the first.
      "repl-diskless-sync yes",
      "repl-diskless-sync-delay 0",
      ...(maxmemory === undefined ? [] : [`maxmemory ${maxmemory}`]),
      ...(maxmemoryPolicy === undefined ? [] : [`maxmemory-policy ${maxmemoryPolicy}`]),
      ...(requirepass === undefined ? [] : [`requirepass ${requirepass}`]),
      // Masters, too: they may have to follow another one day.
      ...(users === undefined ? [] : [`masteruser ${administrator.username}`, `masterauth ${administrator.password}`]),
      ...(requirepass === undefined || users !== undefined ? [] : [`masterauth ${requirepass}`]),
      ...(replicaof === undefined ? [] : [`replicaof ${HOST} ${replicaof.port}`]),
      // Of Redis 7: `DEBUG` for the tests.
      ...(Number.parseInt(findServer().version, 10) >= 7 ? ["enable-debug-command local"] : []),
    ]
  }
}

/** Of a reply of lines such as `name:value`. */
export function fieldsOf(reply: Reply): ReadonlyMap<string, string> {
  const lines = String(reply).split("\r\n")
  return new Map(lines.filter((line) => line.includes(":")).map((line) => [before(line, ":"), after(line, ":")]))
}

function before(line: string, mark: string): string {
  return line.slice(0, line.indexOf(mark))
}

function after(line: string, mark: string): string {
  return line.slice(line.indexOf(mark) + mark.length)
}

import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { Client } from "pg"

/** A PostgreSQL server with one table, reached through a socket in a folder of its own. */
export interface Postgres {
  readonly url: string
  /** The rows as they are when a test begins. */
  reset(): Promise<void>
  stop(): Promise<void>
}

const DEBIAN = "/usr/lib/postgresql"

/** The folder of the programs: that of `POSTGRES_BIN`, of Debian's newest version, or of the PATH. */
function findPrograms(): string | undefined {
  const named = process.env["POSTGRES_BIN"]
  if (named !== undefined) return named
  if (!existsSync(DEBIAN)) return undefined
  const newest = readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a))[0]
  return newest === undefined ? undefined : join(DEBIAN, newest, "bin")
}

function run(program: string, args: readonly string[], options: object = {}): void {
  const { status, error, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", ...options })
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? `${stdout}${stderr}`}`)
}

function programs(): string {
  if (findPrograms() === undefined && process.platform === "linux" && process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
    run("apt-get", ["update", "-q"], { env })
    run("apt-get", ["install", "-q", "-y", "--no-install-recommends", "postgresql"], { env })
  }
  const found = findPrograms()
  if (found === undefined)
    throw new Error("These tests need PostgreSQL: install it, or set POSTGRES_BIN to its programs")
  return found
}

/** The server refuses to run as root; Debian's package has a user for it. */
function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const idOf = (flag: string): number => Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout)
  return { uid: idOf("-u"), gid: idOf("-g") }
}

export async function startPostgres(): Promise<Postgres> {
  const bin = programs()
  const user = serverUser()
  const folder = mkdtempSync(join(tmpdir(), "zoocache-postgres-"))
  if (user !== undefined) chownSync(folder, user.uid, user.gid)
  const data = join(folder, "data")
  run(join(bin, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C"], {
    ...user,
    cwd: folder,
  })
  const settings = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", `unix_socket_directories=${folder}`]
  const { port, server } = await launch((port) => {
    const args = ["-D", data, "-p", String(port), ...settings]
    return spawn(join(bin, "postgres"), args, { ...user, cwd: folder, stdio: "ignore" })
  })
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query("create table users (id integer primary key, name text not null)")

  return {
    url,
    reset: async () => {
      await client.query("truncate users")
      await client.query("insert into users values (1, 'Ada'), (2, 'Grace'), (3, 'Linus')")
    },
    stop: async () => {
      await client.end()
      const exited = once(server, "exit")
      server.kill("SIGINT")
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Starts it on a port that was free, and waits until it answers. */
async function launch(start: (port: number) => ReturnType<typeof spawn>) {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const server = start(port)
    while (server.exitCode === null) {
      const client = new Client({ host: "127.0.0.1", port, user: "postgres", database: "postgres" })
      try {
        await client.connect()
        await client.end()
        return { port, server }
      } catch {
        await pause(20)
      }
    }
  }
}

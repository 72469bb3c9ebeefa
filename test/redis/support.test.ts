import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { connect } from "node:net"
import { setTimeout } from "node:timers/promises"
import { Redis } from "ioredis"
import { Redis as Valkey } from "iovalkey"
import { describe, expect, onTestFinished, test } from "vitest"
import { findServer } from "./support/find-server.js"
import { FaultyProxy } from "./support/proxy.js"
import { RedisServer } from "./support/server.js"
import { ca } from "./support/tls/certificates.js"
import { until } from "./support/until.js"

/** A client that gives up at once. */
function clientOf(url: string, options: object = {}): Redis {
  const client = new Redis(url, { ...options, retryStrategy: null, enableReadyCheck: false })
  client.on("error", () => {})
  onTestFinished(() => client.disconnect())
  return client
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe("a server", () => {
  test("answers, with the version that its program has", async () => {
    await using server = await RedisServer.start()
    expect(await server.command("PING")).toBe("PONG")
    expect((await server.info()).get("process_id")).toBe(`${server.pid}`)
    const fields = await server.info("server")
    expect(fields.get("valkey_version") ?? fields.get("redis_version")).toBe(findServer().version)
    expect(server.log()).toContain("Ready to accept connections")
  })

  test("gives integers as strings, and rejects with what the server says", async () => {
    await using server = await RedisServer.start()
    expect(await server.command("INCRBY", "count", "9007199254740993")).toBe("9007199254740993")
    await expect(server.command("NONSENSE")).rejects.toThrow("unknown command")
  })

  test("has its data after a kill, on the same port", async () => {
    await using server = await RedisServer.start({ appendonly: true })
    await server.command("SET", "a", "1")
    const { pid, port } = server
    await server.kill()
    expect(isAlive(pid)).toBe(false)
    await expect(server.command("PING")).rejects.toThrow()
    await server.restart({ keepData: true })
    expect(server.port).toBe(port)
    expect(server.pid).not.toBe(pid)
    expect(await server.command("GET", "a")).toBe("1")
  })

  test("saves when it is stopped, if it saves at all", async () => {
    await using server = await RedisServer.start({ save: "3600 1" })
    await server.command("SET", "a", "1")
    await server.restart()
    expect(await server.command("GET", "a")).toBe("1")
    await using other = await RedisServer.start()
    await expect(other.restart({ keepData: true })).rejects.toThrow("does not write its data")
  })

  test("begins with nothing when it is told to", async () => {
    await using server = await RedisServer.start({ appendonly: true })
    await server.command("SET", "a", "1")
    await server.restart({ keepData: false })
    expect(await server.command("GET", "a")).toBeNull()
  })

  test("stands still and goes on", async () => {
    await using server = await RedisServer.start()
    const client = clientOf(server.url)
    await client.set("a", "1")
    await server.pause()
    const reply = client.get("a")
    expect(await Promise.race([reply, setTimeout(100, "nothing")])).toBe("nothing")
    server.resume()
    expect(await reply).toBe("1")
    await server.pause()
    await server.stop()
    expect(server.isRunning).toBe(false)
  })

  test("is gone with all its files after the block that it was made in", async () => {
    let pid: number
    let folder: string
    {
      await using server = await RedisServer.start()
      pid = server.pid
      folder = ((await server.command("CONFIG", "GET", "dir")) as string[])[1] as string
      expect(existsSync(folder)).toBe(true)
    }
    expect(isAlive(pid)).toBe(false)
    expect(existsSync(folder)).toBe(false)
  })

  test("is gone with all its files when the process that started it is killed", async () => {
    const program = `import { RedisServer } from ${JSON.stringify(new URL("support/server.ts", import.meta.url).href)}
      const server = await RedisServer.start()
      await server.pause()
      await new Promise((resolve) => process.stdout.write(server.pid + " " + server.log().length + "\\n", resolve))`
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program])
    onTestFinished(() => void child.kill("SIGKILL"))
    const [line] = (await once(child.stdout, "data")) as [Buffer]
    const pid = Number(line.toString().split(" ")[0])
    expect(isAlive(pid)).toBe(true)
    child.kill("SIGKILL")
    await until(() => !isAlive(pid), { what: "the server to be gone" })
  })

  test("asks for a password, evicts, and follows another", async () => {
    await using master = await RedisServer.start({
      requirepass: "p@ss:/",
      maxmemory: "50mb",
      maxmemoryPolicy: "allkeys-lru",
    })
    await using replica = await RedisServer.start({ requirepass: "p@ss:/", replicaof: master })
    const stranger = clientOf(`redis://127.0.0.1:${master.port}`)
    await expect(stranger.get("a")).rejects.toThrow("NOAUTH")
    const client = new Valkey(master.url)
    onTestFinished(() => client.disconnect())
    await client.set("a", "1")
    expect(await client.wait(1, 1000)).toBe(1)
    expect(await replica.command("GET", "a")).toBe("1")
    expect(await master.command("CONFIG", "GET", "maxmemory*")).toEqual(
      expect.arrayContaining(["allkeys-lru", `${50 * 2 ** 20}`]),
    )
  })

  test.each([false, true])("knows users and what they may do (file of users: %s)", async (aclfile) => {
    const users = ["default off", "alice on >secret ~app:* +@all -@dangerous"]
    await using server = await RedisServer.start({ users, aclfile })
    const alice = clientOf(server.urlAs("alice", "secret"))
    await alice.set("app:1", "1")
    await expect(alice.set("other", "1")).rejects.toThrow("NOPERM")
    await expect(alice.flushall()).rejects.toThrow("NOPERM")
    expect(await server.command("GET", "app:1")).toBe("1")
    await expect(clientOf(server.url).get("app:1")).rejects.toThrow("NOAUTH")
    if (aclfile) expect(await server.command("ACL", "LOAD")).toBe("OK")
  })

  test("speaks TLS only", async () => {
    await using server = await RedisServer.start({ tls: true })
    expect(await server.command("PING")).toBe("PONG")
    expect(await clientOf(server.url, { tls: { ca } }).ping()).toBe("PONG")
    expect(await clientOf(server.url.replace("127.0.0.1", "localhost"), { tls: { ca } }).ping()).toBe("PONG")
    // Without the authority's certificate nobody trusts it.
    await expect(clientOf(server.url).ping()).rejects.toThrow()
    await expect(clientOf(`redis://127.0.0.1:${server.port}`).ping()).rejects.toThrow()
  })

  test("tells why it does not start", async () => {
    await expect(RedisServer.start({ config: ["nonsense yes"] })).rejects.toThrow("nonsense yes")
  })
})

describe("a proxy", () => {
  async function startBoth() {
    const server = await RedisServer.start()
    const proxy = await FaultyProxy.start(server.port)
    onTestFinished(async () => {
      await proxy[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    })
    return { server, proxy }
  }

  test("forwards, late if it is told to, and counts", async () => {
    const { proxy } = await startBoth()
    const client = clientOf(proxy.url)
    await client.set("a", "1")
    proxy.delayMs = 50
    const start = performance.now()
    expect(await Promise.all([client.get("a"), client.incr("a")])).toEqual(["1", 2])
    expect(performance.now() - start).toBeGreaterThan(95)
    expect(proxy).toMatchObject({ accepted: 1, open: 1 })
  })

  test.each([
    ["toServer", "1"],
    ["toClient", "2"],
    ["both", "1"],
  ] as const)("is silent (%s): connections stay, and break when they are healed", async (direction, value) => {
    const { server, proxy } = await startBoth()
    const client = clientOf(proxy.url)
    await client.set("a", "1")
    proxy.silence(direction)
    const reply = client.set("a", "2")
    reply.catch(() => {})
    expect(await Promise.race([reply, setTimeout(100, "nothing")])).toBe("nothing")
    expect(client.status).toBe("ready")
    expect(await server.command("GET", "a")).toBe(value)
    const late = connect(proxy.port, "127.0.0.1")
    onTestFinished(() => void late.destroy())
    await once(late, "connect")
    proxy.heal()
    await expect(reply).rejects.toThrow()
    expect(await clientOf(proxy.url).get("a")).toBe(value)
  })

  test("leaves connections alone that have lost nothing", async () => {
    const { proxy } = await startBoth()
    const client = clientOf(proxy.url)
    await client.set("a", "1")
    proxy.silence("both")
    proxy.heal()
    expect(await client.get("a")).toBe("1")
  })

  test("hides from each end that the other has closed", async () => {
    const { server, proxy } = await startBoth()
    const client = clientOf(proxy.url)
    await client.ping()
    proxy.silence("both")
    await server.kill()
    await setTimeout(50)
    expect(client.status).toBe("ready")
    proxy.heal()
    await until(() => client.status === "end", { what: "the connection to break" })
  })

  test("breaks connections, refuses new ones and accepts them again", async () => {
    const { proxy } = await startBoth()
    const client = clientOf(proxy.url)
    await client.ping()
    proxy.refuse()
    await client.ping()
    proxy.cut()
    await until(() => client.status === "end", { what: "the connection to break" })
    expect(proxy.open).toBe(0)
    const refused = connect(proxy.port, "127.0.0.1")
    await expect(once(refused, "connect")).rejects.toMatchObject({ code: "ECONNREFUSED" })
    await proxy.accept()
    expect(await clientOf(proxy.url).ping()).toBe("PONG")
  })

  test("leads to another server", async () => {
    const { proxy } = await startBoth()
    await using other = await RedisServer.start()
    await other.command("SET", "who", "other")
    proxy.retarget(other.port)
    expect(await clientOf(proxy.url).get("who")).toBe("other")
  })
})

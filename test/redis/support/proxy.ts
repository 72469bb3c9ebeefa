import { once } from "node:events"
import { connect, createServer, type Server, type Socket } from "node:net"
import { freePort } from "./ports.js"
import { until } from "./until.js"

export type Direction = "toServer" | "toClient"

/** A TCP proxy on 127.0.0.1 that does to connections what networks do to them. */
export class FaultyProxy implements AsyncDisposable {
  readonly port: number
  /** How much later each byte arrives; in each direction, so that a reply comes later by twice as much. */
  delayMs = 0
  /** How many connections there have been. */
  accepted = 0
  /** How much clients have sent. */
  sentBytes = 0
  #targetPort: number
  #listener: Server | undefined
  readonly #silent = new Set<Direction>()
  readonly #links = new Set<Link>()

  private constructor(port: number, targetPort: number) {
    this.port = port
    this.#targetPort = targetPort
  }

  static async start(targetPort: number): Promise<FaultyProxy> {
    for (;;) {
      const proxy = new FaultyProxy(await freePort(), targetPort)
      try {
        await proxy.accept()
        return proxy
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** How many connections there are. */
  get open(): number {
    return this.#links.size
  }

  /**
   * Connections stay open, new ones are accepted, and nothing gets through: what is sent is lost, and so is the news that
   * an end has closed.
   */
  silence(direction: "both" | Direction): void {
    if (direction !== "toClient") this.#silent.add("toServer")
    if (direction !== "toServer") this.#silent.add("toClient")
  }

  /**
   * Everything gets through again. Connections that have lost something break: a stream with a hole, which would give
   * commands each other's replies, does not exist in TCP.
   */
  heal(): void {
    this.#silent.clear()
    for (const link of this.#links) if (link.hasLost) link.cut()
  }

  /**
   * Nothing is read any more of what the server says on connections that listen to a channel, so that it piles up there.
   * What gets through when they are read again is late. Resolves when there is one: after a cut, it is the last to be back.
   */
  async clog(): Promise<void> {
    const clogAll = () => [...this.#links].map((link) => link.clog()).includes(true)
    await until(clogAll, { what: "a connection that listens" })
  }

  unclog(): void {
    for (const link of this.#links) link.unclog()
  }

  /** Breaks all connections. */
  cut(): void {
    for (const link of this.#links) link.cut()
  }

  /** New connections are refused. */
  refuse(): void {
    this.#listener?.close()
    this.#listener = undefined
  }

  /** New connections are accepted again. */
  async accept(): Promise<void> {
    if (this.#listener !== undefined) return
    const listener = createServer((client) => this.#link(client))
    listener.listen(this.port, "127.0.0.1")
    await once(listener, "listening")
    this.#listener = listener
  }

  /** New connections go to another port. */
  retarget(port: number): void {
    this.#targetPort = port
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.refuse()
    this.cut()
    return Promise.resolve()
  }

  #link(client: Socket): void {
    this.accepted += 1
    const server = connect(this.#targetPort, "127.0.0.1")
    const link = new Link({
      client,
      server,
      isSilent: (direction) => this.#silent.has(direction),
      delayMs: () => this.delayMs,
    })
    client.on("data", (chunk: Buffer) => (this.sentBytes += chunk.length))
    this.#links.add(link)
    void link.broken.then(() => this.#links.delete(link))
  }
}

interface LinkOptions {
  readonly client: Socket
  readonly server: Socket
  readonly isSilent: (direction: Direction) => boolean
  readonly delayMs: () => number
}

/** A client's connection and the one that was made for it. */
class Link {
  /** Resolves when both are gone. */
  readonly broken: Promise<unknown>
  hasLost = false
  #listens = false
  readonly #options: LinkOptions

  constructor(options: LinkOptions) {
    this.#options = options
    const { client, server } = options
    this.broken = Promise.all([client, server].map((socket) => new Promise((resolve) => socket.once("close", resolve))))
    client.on("data", (chunk) => (this.#listens ||= /\bsubscribe\b/i.test(String(chunk))))
    this.#forward(client, server, "toServer")
    this.#forward(server, client, "toClient")
  }

  /** False if it listens to nothing. */
  clog(): boolean {
    if (this.#listens) this.#options.server.pause()
    return this.#listens
  }

  unclog(): void {
    this.#options.server.resume()
  }

  cut(): void {
    this.#options.client.resetAndDestroy()
    this.#options.server.resetAndDestroy()
  }

  #forward(from: Socket, to: Socket, direction: Direction): void {
    // One after the other, so that nothing overtakes when the delay becomes shorter.
    let arrived = Promise.resolve()
    const send = (deliver: () => void) => {
      if (this.#options.isSilent(direction)) {
        this.hasLost = true
        return
      }
      const delayMs = this.#options.delayMs()
      const due = delayMs === 0 ? undefined : new Promise<void>((resolve) => setTimeout(resolve, delayMs))
      arrived = arrived.then(() => due).then(deliver)
    }
    from.setNoDelay(true)
    from.on("data", (chunk) => send(() => to.write(chunk)))
    from.on("end", () => send(() => to.end()))
    // The other end learns of it by the close that follows.
    from.on("error", () => {})
    from.on("close", () => send(() => to.destroy()))
  }
}

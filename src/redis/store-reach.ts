import type { RedisClient } from "./client.js"

const LOST = new Set(["reconnecting", "disconnecting", "close", "end"])

/** Whether a client can be used, as it says itself. Commands for one that can't would wait in its memory. */
export class Reach {
  readonly #client: Pick<RedisClient, "status">
  #wasReady = false

  constructor(client: Pick<RedisClient, "status">) {
    this.#client = client
  }

  /** The first connection is waited for; while another is made in place of one that was lost, there is none. */
  get isLost(): boolean {
    const { status } = this.#client
    if (status === "ready") {
      this.#wasReady = true
      return false
    }
    return this.#wasReady || LOST.has(status)
  }
}

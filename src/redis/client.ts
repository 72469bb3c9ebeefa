/** An argument of a command. */
export type RedisArgument = string | number | Buffer

/**
 * A listener of any arguments. The form of a method, for those are compared less strictly: with a function in its place,
 * clients that say `any` are no clients.
 */
type RedisListener = { listen(...args: unknown[]): void }["listen"]

/**
 * The part of a client that is used: of ioredis, of iovalkey, or of one for a cluster. Described by what is called, so that
 * a user can bring their own.
 */
export interface RedisClient {
  /** Sends one command; bulk strings of the reply come as buffers. */
  callBuffer(command: string, ...args: RedisArgument[]): Promise<unknown>
  on(event: string, listener: RedisListener): unknown
  off(event: string, listener: RedisListener): unknown
  /** Ends the connection at once; what waits for a reply is rejected. */
  disconnect(): void
  /** `"ready"` while commands can be sent. */
  readonly status: string
}

/** A client that listens to a channel, and does nothing else. */
export interface RedisSubscriber extends RedisClient {
  subscribe(channel: string): Promise<unknown>
}

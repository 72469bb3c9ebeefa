/** An argument of a command. */
export type RedisArgument = string | number | Buffer

/**
 * The part of a client that is used: of ioredis, of iovalkey, or of one for a cluster. Described by what is called, so that
 * a user can bring their own.
 */
export interface RedisClient {
  /** Sends one command; bulk strings of the reply come as buffers. */
  callBuffer(command: string, ...args: RedisArgument[]): Promise<unknown>
  // `any`: with `never` the emitter of ioredis 5, which is that of Node.js, would be none.
  on(event: string, listener: (...args: any[]) => void): unknown
  off(event: string, listener: (...args: any[]) => void): unknown
  /** Ends the connection at once; what waits for a reply is rejected. */
  disconnect(): void
  /** `"ready"` while commands can be sent. */
  readonly status: string
}

/** A client that listens to a channel, and does nothing else. */
export interface RedisSubscriber extends RedisClient {
  subscribe(channel: string): Promise<unknown>
}

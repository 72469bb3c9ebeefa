import { createRequire } from "node:module"
import { ConfigurationError } from "../core/base/errors.js"
import type { RedisSubscriber } from "./client.js"

/** The part of the package ioredis that is used. */
export interface Ioredis {
  readonly Redis: new (options: object) => OwnClient
  readonly Cluster: new (nodes: readonly object[], options: object) => ClusterClient
}

/** A client that can be told to connect, and be made again with other options. */
export interface OwnClient extends RedisSubscriber {
  connect(): Promise<unknown>
  duplicate(options?: object): OwnClient
  readonly options: { readonly db?: number | undefined }
}

export interface ClusterClient extends OwnClient {
  nodes(role?: "all" | "master" | "slave"): OwnClient[]
}

/** ioredis, loaded when the first client is made, so that an `import` of this package never fails. */
export function loadIoredis(): Ioredis {
  try {
    return createRequire(import.meta.url)("ioredis") as Ioredis
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string }
    const isMissing = code === "MODULE_NOT_FOUND" && message?.includes("'ioredis'") === true
    const reason = isMissing ? "is not installed" : `can't be loaded: ${message}`
    throw new ConfigurationError(
      `\`redis({ … })\` needs the package ioredis, which ${reason}. Run \`npm install ioredis msgpackr lz4-napi\`, ` +
        "or pass a `client` of your own.",
    )
  }
}

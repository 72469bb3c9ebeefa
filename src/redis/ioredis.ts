import { requirePeer } from "../packages/installed.js"
import { peerError } from "../packages/peer-error.js"
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
    return requirePeer("ioredis") as Ioredis
  } catch (error) {
    const what = "`redis({ … })` without a `client` of your own"
    throw peerError({ what, name: "ioredis", install: "ioredis msgpackr lz4-napi" }, error)
  }
}

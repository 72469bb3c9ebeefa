import { InvalidOptionError } from "../base/errors.js"
import type { Backend } from "../ports/backend.js"
import type { EntryCodec } from "../ports/codec.js"
import type { InvalidationLog } from "../ports/log.js"
import type { Store } from "../ports/store.js"
import { checkParts, hasMethods } from "./checks.js"
import type { CacheOptions } from "./options.js"
import type { BackingSettings } from "./settings.js"

/** Checks the parts that a user gave to be shared: what each has, and that they go together. Throws `InvalidOptionError`. */
export function checkBacking(options: CacheOptions): BackingSettings {
  const backend = checkParts<Backend>(options.backend, "backend", ["open"])
  const store = checkParts<Store>(options.store, "store", ["get", "put", "remove", "touch", "stats", "close"])
  const codec = checkParts<EntryCodec>(options.codec, "codec", ["encode", "decodeHeader", "decodeValue", "amend"])
  if (store !== undefined && codec === undefined && backend === undefined) {
    throw new InvalidOptionError("store", store, "it needs a `codec`, such as `createCodec()` of zoocache/codec")
  }
  if (options.log !== undefined && backend?.needsOwnLog === true) {
    throw new InvalidOptionError(
      "log",
      options.log,
      `the backend ${backend.name} keeps entries and invalidations together; leave one of the two out`,
    )
  }
  return { backend, log: checkLog(options.log), store, codec }
}

/** Logs of any origin are told by what they can do. */
export function checkLog(log: unknown): InvalidationLog | undefined {
  const methods = ["append", "pull", "listen", "close"]
  const isLog =
    log === undefined || (hasMethods(log, methods) && typeof (log as { local?: unknown }).local === "boolean")
  if (isLog) return log as InvalidationLog | undefined
  throw new InvalidOptionError("log", log, "it must have `local`, `append`, `pull`, `listen` and `close`")
}

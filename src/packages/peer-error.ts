import { ConfigurationError, messageOf } from "../core/base/errors.js"

/** A package that the user installs. */
export type PeerName = "ioredis" | "lmdb" | "lz4-napi" | "msgpackr"

/** Whether `require` did not find that very module, and not one that it needs. */
export function isMissing(error: unknown, specifier: string): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return code === "MODULE_NOT_FOUND" && typeof message === "string" && message.includes(`'${specifier}'`)
}

/** The error of a package that could not be had: what was tried, what came of it, and what to do. */
export function peerError(
  { what, name, install }: { readonly what: string; readonly name: PeerName; readonly install: string },
  error: unknown,
): ConfigurationError {
  const reason = isMissing(error, name) ? "is not installed where this program runs" : "can't be loaded"
  const [firstLine = ""] = messageOf(error).split("\n")
  return new ConfigurationError(
    `${what} needs the package ${name}, which ${reason} (${firstLine}). Run \`npm install ${install}\`. ` +
      `If that was done and this program is a bundle, tell the bundler that \`zoocache\` and \`${name}\` are external.`,
    error,
  )
}

import { createRequire } from "node:module"
import type * as Lz4 from "lz4-napi"
import type * as Msgpackr from "msgpackr"
import { ConfigurationError } from "../core/base/errors.js"

export interface Peers {
  readonly msgpackr: typeof Msgpackr
  readonly lz4: typeof Lz4
}

/** The packages that a codec needs; loaded when the first one is made, so that an `import` of this one never fails. */
export function loadPeers(): Peers {
  return { msgpackr: load("msgpackr") as typeof Msgpackr, lz4: load("lz4-napi") as typeof Lz4 }
}

const load = (name: string): unknown => {
  try {
    return createRequire(import.meta.url)(name)
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string }
    const isMissing = code === "MODULE_NOT_FOUND" && message?.includes(`'${name}'`) === true
    const reason = isMissing
      ? `the package ${name} is not installed`
      : `the package ${name} can't be loaded: ${message}`
    throw new ConfigurationError(`A codec can't be made, ${reason}. Install both: npm install msgpackr lz4-napi`)
  }
}

import { createHash } from "node:crypto"
import { APPEND } from "./scripts/append.js"
import { PULL } from "./scripts/pull.js"

/** A script and the name under which a server that has seen it runs it again. */
export interface Script {
  readonly name: "append" | "pull"
  readonly text: string
  readonly sha1: string
}

function script(name: Script["name"], text: string): Script {
  return Object.freeze({ name, text, sha1: createHash("sha1").update(text).digest("hex") })
}

export const appendScript = script("append", APPEND)
export const pullScript = script("pull", PULL)

/** ZADD with GT is the youngest thing that the scripts need. */
export const LEAST_SERVER = [6, 2] as const

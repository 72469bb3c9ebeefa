import { fail, type Where } from "./failures.js"
import { textOf } from "./replies.js"
import { LEAST_SERVER } from "./scripts.js"

/** Reads `INFO server`; gives the `run_id`, empty where it tells none. @throws Failure for a server that is too old */
export function checkServer(info: unknown, where: Where): string {
  const text = textOf(info)
  const version = /^redis_version:(\d+)\.(\d+)/m.exec(text)
  const [major, minor] = LEAST_SERVER
  if (version !== null) {
    const isOld = Number(version[1]) < major || (Number(version[1]) === major && Number(version[2]) < minor)
    if (isOld) throw fail(where, `the server has version ${version[1]}.${version[2]}`, "TOO_OLD")
  }
  return /^run_id:(\w+)/m.exec(text)?.[1] ?? ""
}

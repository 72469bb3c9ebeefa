import type * as Lz4 from "lz4-napi"
import type * as Msgpackr from "msgpackr"
import { requirePeer } from "../packages/installed.js"
import { peerError } from "../packages/peer-error.js"

export interface Peers {
  readonly msgpackr: typeof Msgpackr
  readonly lz4: typeof Lz4
}

/** The packages that a codec needs; loaded when the first one is made, so that an `import` of this one never fails. */
export function loadPeers(): Peers {
  return { msgpackr: load("msgpackr") as typeof Msgpackr, lz4: load("lz4-napi") as typeof Lz4 }
}

function load(name: "msgpackr" | "lz4-napi"): unknown {
  try {
    return requirePeer(name)
  } catch (error) {
    throw peerError({ what: "A codec", name, install: "msgpackr lz4-napi" }, error)
  }
}

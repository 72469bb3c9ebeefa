import { configure, createCache } from "zoocache"
import { report } from "./report"

// Functions of the two copies of this module differ in their text: each names the `report` of its own bundle.
configure({ ttl: "1h", redefine: "share", onFault: ({ error }) => report(error) })

/** A cache of the application's own. */
export const own = createCache({ name: "own", redefine: "share", onFault: ({ error }) => report(error) })

/** One that says nothing of copies. */
export const strict = createCache({ name: "strict" })

/** One that every copy of this module has for itself, of which Next.js's user is warned. */
export const unnamed = createCache()

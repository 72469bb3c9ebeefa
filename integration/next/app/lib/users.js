import { cacheable } from "zoocache"
import { own, strict } from "./cache"
import { read } from "./database"

const EDITION = "edition 0"

const load = (by) => async (id) => ({ id, edition: EDITION, ...read(by) })
const deps = (id) => [`user:${id}`]

export const getUser = cacheable(load("default"), { name: "getUser", deps })
export const getOwn = own.cacheable(load("own"), { name: "getOwn", deps })

export let taken
/** Undefined in a second copy of this module, for which the name is taken. */
export const getStrict = define()

function define() {
  try {
    return strict.cacheable(load("strict"), { name: "getStrict", deps })
  } catch (error) {
    taken = error.message
    return undefined
  }
}

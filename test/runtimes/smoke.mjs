import { createRequire } from "node:module"
import * as zoocache from "zoocache"
import * as testing from "zoocache/testing"
import suite from "./suite.cjs"

const required = createRequire(import.meta.url)("zoocache")
await suite.run("import", zoocache, testing, suite.sameInstance(required, zoocache))

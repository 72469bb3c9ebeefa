import { afterEach, test } from "vitest"
import { cleanUp } from "../support/logs.js"
import { invalidateThousands } from "./support/thousands.js"

afterEach(cleanUp)

// Many more are in many.faults.ts.
test("5,000 invalidations cause no storm of pulls in a listener that misses some", () => invalidateThousands(5))

import { afterEach, test } from "vitest"
import { cleanUp } from "./support/logs.js"
import { reconnectOften } from "./support/reconnects.js"

afterEach(cleanUp)

// Many more are in reconnects.faults.ts.
test("a cache whose connections are killed again and again leaves nothing of them behind", () => reconnectOften(20))

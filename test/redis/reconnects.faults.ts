import { afterEach, test } from "vitest"
import { cleanUp } from "./support/logs.js"
import { reconnectOften } from "./support/reconnects.js"

const times = Number(process.env["ZOOCACHE_RECONNECTS"] ?? 2000)

afterEach(cleanUp)

test(`a cache whose connections are killed ${times} times leaves nothing of them behind`, () => reconnectOften(times))

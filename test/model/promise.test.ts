import { testPromise } from "./support/promise.js"

// Many more histories are in promise.faults.ts.
testPromise({ own: 200, shared: 100, faulty: 200 })

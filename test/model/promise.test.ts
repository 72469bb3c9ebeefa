import { testPromise } from "./support/promise.js"

// Many more histories are in promise.faults.ts.
testPromise({ own: 100, shared: 50, faulty: 100 })

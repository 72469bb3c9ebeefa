import { testPromise } from "./support/promise.js"

// Many more histories are in promise.faults.ts.
testPromise({ own: 60, shared: 40, faulty: 60 })

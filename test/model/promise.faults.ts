import { testPromise } from "./support/promise.js"

testPromise({ own: 3000, shared: 1000, faulty: 3000 })

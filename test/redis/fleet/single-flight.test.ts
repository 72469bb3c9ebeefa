import { testOneLoad } from "./support/single-flight-tests.js"

// What the faults of a node cost is in single-flight.faults.ts.
testOneLoad({ nodes: 4, rows: 20 })

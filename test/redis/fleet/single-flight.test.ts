import { testSingleFlight } from "./support/single-flight-tests.js"

testSingleFlight({ nodes: 4, rows: 20 })

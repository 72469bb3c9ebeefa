import { testStorm } from "./support/storm-tests.js"

// Many more steps are in storm.faults.ts.
testStorm({ alone: 600, untold: 600, together: 300 })

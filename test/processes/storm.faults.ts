import { testStorm } from "./support/storm-tests.js"

testStorm({ alone: 10_000, untold: 1000, together: 5000 })

import { testReentrancy } from "./support/reentrancy.js"

testReentrancy({ memory: 4000, both: 2500, store: 2500, network: 2000 })

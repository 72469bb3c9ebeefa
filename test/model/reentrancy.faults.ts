import { testReentrancy } from "./support/reentrancy.js"

testReentrancy({ memory: 4000, store: 2500, network: 2000 })

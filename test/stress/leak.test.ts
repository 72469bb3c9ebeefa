import { testLeaks } from "./support.js"

// The heap is measured in leak.faults.ts and leak.stress.ts: it takes some hundred thousand keys to show a leak.
testLeaks({ tagsOfOutage: 5000 })

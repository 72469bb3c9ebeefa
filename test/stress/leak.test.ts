import { testLeaks } from "./support.js"

// Many more are in leak.faults.ts and leak.stress.ts.
testLeaks({ keys: 150_000, tagsOfHang: 300_000, tagsOfOutage: 20_000 })

import { testLeaks } from "./support.js"

testLeaks({ keys: 5_000_000, tagsOfHang: 5_000_000, tagsOfOutage: 500_000 })

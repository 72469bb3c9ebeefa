import { testLeaks } from "./support.js"

testLeaks({ keys: 1_500_000, tagsOfHang: 1_500_000, tagsOfOutage: 100_000 })

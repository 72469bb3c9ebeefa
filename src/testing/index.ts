export { FaultyLog, type FaultyLogOptions, type Fate, type HeldOperation, type LogOperation } from "./faulty-log.js"
export { checkInvariants } from "./invariants.js"
export { logConformance, type LogConformanceOptions, type LogUnderTest } from "./log-conformance.js"
export { ManualClock, settled } from "./manual-clock.js"

export { checkInvariants } from "./invariants.js"
export { ManualClock, settled } from "./manual-clock.js"

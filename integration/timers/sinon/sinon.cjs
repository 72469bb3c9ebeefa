const sinon = require("sinon")
const zoocache = require("zoocache")
const { run } = require("../plain.cjs")
const { scenarios } = require("../scenarios.cjs")

const timers = ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "setImmediate", "clearImmediate", "Date"]
const settings = {
  "as they are": undefined,
  "without nextTick": { toFake: [...timers, "performance", "hrtime"] },
  "the timers and Date": { toFake: timers },
  get "from now on"() {
    return { now: Date.now() }
  },
}
const name = process.argv[2]

let clock
const tool = {
  install: () => {
    clock = sinon.useFakeTimers(settings[name])
  },
  uninstall: () => clock?.restore(),
  advance: (ms) => void clock.tick(ms),
  advanceAsync: (ms) => clock.tickAsync(ms),
  setTime: (ms) => clock.setSystemTime(ms),
  runAll: () => void clock.runAll(),
  count: () => clock.countTimers(),
}

module.exports = Object.keys(settings)
if (require.main === module) void run(`Sinon, ${name}`, scenarios(zoocache, tool))

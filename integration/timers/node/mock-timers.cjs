const { mock } = require("node:test")
const zoocache = require("zoocache")
const { run } = require("../plain.cjs")
const { scenarios } = require("../scenarios.cjs")

const settings = {
  "as they are": undefined,
  "setTimeout and Date": { apis: ["setTimeout", "Date"] },
  get "from now on"() {
    return { apis: ["setTimeout", "setInterval", "setImmediate", "Date"], now: Date.now() }
  },
}
const name = process.argv[2]

const tool = {
  install: () => mock.timers.enable(settings[name]),
  uninstall: () => mock.timers.reset(),
  advance: (ms) => mock.timers.tick(ms),
  setTime: (ms) => mock.timers.setTime(ms),
  runAll: () => mock.timers.runAll(),
}

module.exports = Object.keys(settings)
if (require.main === module) void run(`node:test, ${name}`, scenarios(zoocache, tool))

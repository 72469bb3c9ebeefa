const zoocache = require("zoocache")
const { scenarios } = require("../scenarios.cjs")

exports.suite = (of, install, uninstall = () => void jest.useRealTimers(), isAhead = false) => {
  describe(`fake timers of Jest, ${of}`, () => {
    const tool = {
      install,
      isAhead,
      uninstall,
      advance: (ms) => void jest.advanceTimersByTime(ms),
      advanceAsync: (ms) => jest.advanceTimersByTimeAsync(ms),
      setTime: (ms) => void jest.setSystemTime(ms),
      runAll: () => void jest.runAllTimers(),
      count: () => jest.getTimerCount(),
    }
    for (const [name, run] of scenarios(zoocache, tool)) test(name, run)
  })
}

const { suite } = require("./suite.cjs")

// With `enableGlobally` the clock is faked before the library is loaded, and between the tests.
suite(
  "enabled globally",
  () => void jest.useFakeTimers(),
  () => void jest.useFakeTimers(),
)

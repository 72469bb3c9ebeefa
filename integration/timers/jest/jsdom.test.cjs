/** @jest-environment jsdom */
const { suite } = require("./suite.cjs")

suite("in jsdom", () => void jest.useFakeTimers())

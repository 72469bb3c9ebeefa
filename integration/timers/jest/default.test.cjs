const { createCache } = require("zoocache")
const { suite } = require("./suite.cjs")

suite("as they are", () => void jest.useFakeTimers())
suite("without nextTick", () => void jest.useFakeTimers({ doNotFake: ["nextTick"] }))
suite(
  "with a date",
  () => void jest.useFakeTimers({ now: new Date("2031-05-01") }),
  () => void jest.useRealTimers(),
  true,
)

test("a ttl ends when Date.now is a mock that says so", async () => {
  const cache = createCache({ ttl: "1m" })
  await cache.set("k", 1)
  const now = Date.now()
  const spy = jest.spyOn(Date, "now").mockReturnValue(now + 59_000)
  expect(await cache.get("k")).toBe(1)
  spy.mockReturnValue(now + 61_000)
  expect(await cache.get("k")).toBeUndefined()
  spy.mockRestore()
  await cache.close()
})

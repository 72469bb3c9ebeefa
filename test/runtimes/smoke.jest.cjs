"use strict"
const { expect, test } = require("@jest/globals")
const zoocache = require("zoocache")
const testing = require("zoocache/testing")
const { checks } = require("./suite.cjs")

for (const [name, check] of Object.entries(checks(zoocache, testing))) {
  test(name, async () => {
    await check()
    expect.assertions(0)
  })
}

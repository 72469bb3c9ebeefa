"use strict"
const zoocache = require("zoocache")
const testing = require("zoocache/testing")
const suite = require("./suite.cjs")

void (async () => {
  const imported = await import("zoocache")
  await suite.run("require", zoocache, testing, suite.sameInstance(zoocache, imported))
})()

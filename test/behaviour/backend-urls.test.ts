/** URLs of backends that nothing has imported, and parts that a bundle may lack. */
import { expect, test } from "vitest"
import { ConfigurationError } from "zoocache"
import { registerBackend, registeredBackend } from "../../src/core/ports/backend-urls.js"
import { allSharedParts } from "../../src/core/cache/all-shared-parts.js"
import { provideSharedParts, sharedParts } from "../../src/core/cache/parts-in-bundles.js"
import { peerError } from "../../src/packages/peer-error.js"
import { requirePeer } from "../../src/packages/installed.js"

test("a backend is known by its schemes once it has registered, and the last one counts", () => {
  const make = () => ({ name: "test", open: () => expect.unreachable() })
  expect(registeredBackend("test-scheme")).toBeUndefined()
  registerBackend(["test-scheme", "test-schemes"], () => expect.unreachable())
  registerBackend(["test-scheme"], make)
  expect(registeredBackend("test-scheme")).toBe(make)
  expect(registeredBackend("test-schemes")).not.toBe(make)
})

test("a bundle without the parts for sharing says what to import, and has them afterwards", () => {
  expect(sharedParts).toThrow(ConfigurationError)
  expect(sharedParts).toThrow('import "zoocache/backend"')
  provideSharedParts(allSharedParts)
  expect(sharedParts()).toBe(allSharedParts)
})

test("a package that fails as it is loaded is not called missing, and its error is the cause", () => {
  const broken = new Error("Module did not self-register: 'lmdb.node'")
  const error = peerError({ what: "`lmdb({ path })`", name: "lmdb", install: "lmdb" }, broken)
  expect(error.cause).toBe(broken)
  expect(error.message).toMatch(/can't be loaded \(Module did not self-register.*`zoocache` and `lmdb` are external/)
})

test("a package that lacks a package of its own is not called missing", () => {
  const needed = Object.assign(new Error("Cannot find module 'denque'"), { code: "MODULE_NOT_FOUND" })
  expect(peerError({ what: "x", name: "ioredis", install: "ioredis" }, needed).message).toContain(
    "can't be loaded (Cannot find module 'denque')",
  )
})

test("a package that a bundler has put an error in place of is not called missing", () => {
  // Turbopack's words for what it can't follow, with the code of a package that is not there.
  const replaced = Object.assign(new Error("Cannot find module as expression is too dynamic"), {
    code: "MODULE_NOT_FOUND",
  })
  const error = peerError({ what: "A codec", name: "msgpackr", install: "msgpackr lz4-napi" }, replaced)
  expect(error.cause).toBe(replaced)
  expect(error.message).toMatch(
    /msgpackr, which can't be loaded \(Cannot find module as expression is too dynamic\)\. .*`zoocache` and `msgpackr` are external/,
  )
})

test("a package is found beside the program", () => {
  expect(requirePeer("msgpackr")).toHaveProperty("Packr")
})

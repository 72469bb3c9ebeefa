"use strict"
/**
 * What must work in every runtime, through `import` and `require`. Plain JavaScript without a test runner, so that Node.js,
 * Bun, Deno and Jest can all run it against the packed package.
 */
const assert = require("node:assert/strict")

const tick = (ms = 1) => new Promise((resolve) => setTimeout(resolve, ms))

/** A promise that is settled from outside. */
function gate() {
  let open
  const opened = new Promise((resolve) => {
    open = resolve
  })
  return { open, opened }
}

/** Name → check, for one way of loading the library. */
function checks(zoocache, testing) {
  const { createCache, addDeps, currentLoad, tag } = zoocache

  /** Runs a check with a cache of its own. */
  const withCache = (check) => async () => {
    const cache = createCache({ ttl: "1h" })
    try {
      await check(cache)
    } finally {
      await cache.close()
    }
  }

  return {
    "loads once, and again after an invalidation": withCache(async (cache) => {
      let loads = 0
      const getUser = cache.cacheable(async (id) => ({ id, load: ++loads }), {
        name: "getUser",
        deps: (id) => [`user:${id}`],
      })
      assert.deepEqual(await getUser(42), { id: 42, load: 1 })
      assert.equal(await getUser(42), await getUser(42))
      assert.equal(loads, 1)
      assert.equal(typeof (await cache.invalidate("user:42")), "string")
      assert.deepEqual(await getUser(42), { id: 42, load: 2 })
    }),

    "a tag covers what is below it and nothing beside it": withCache(async (cache) => {
      let loads = 0
      const load = cache.cacheable(async () => ++loads, { name: "load", deps: ["org:1:user:42"] })
      await load()
      await cache.invalidate("org:1:user:4", "org:10", "or", "org:1:user:42:avatar")
      assert.equal(await load(), 1)
      await cache.invalidate("org:1")
      assert.equal(await load(), 2)
    }),

    "a long key is a hash, of every runtime the same": withCache(async (cache) => {
      const find = cache.cacheable(async (text) => text.length, { name: "find" })
      assert.equal(await find("x".repeat(10_000)), 10_000)
      assert.equal(find.keyOf("x".repeat(10_000)), "ƒ:find::#RTjG2Dt_PIxO_OIkDDIs-eSpEDr1a4x6wkULCM2bfMI")
      assert.equal(find.peek("x".repeat(10_000)), 10_000)
    }),

    "concurrent callers share one load": withCache(async (cache) => {
      let loads = 0
      const slow = cache.cacheable(
        async (id) => {
          loads++
          await tick(5)
          return id
        },
        { name: "slow" },
      )
      const values = await Promise.all(Array.from({ length: 100 }, () => slow(7)))
      assert.deepEqual(new Set(values), new Set([7]))
      assert.equal(loads, 1)
    }),

    "a load that was overtaken by an invalidation is not served afterwards": withCache(async (cache) => {
      let row = "old"
      const read = gate()
      const finish = gate()
      const getRow = cache.cacheable(
        async () => {
          const value = row
          read.open()
          await finish.opened
          return value
        },
        { name: "getRow", deps: ["row"] },
      )
      const overtaken = getRow()
      await Promise.race([read.opened, overtaken])
      row = "new"
      await cache.invalidate("row")
      finish.open()
      await overtaken
      assert.equal(await getRow(), "new")
    }),

    "a load joined after an invalidation is a new one": withCache(async (cache) => {
      let row = "old"
      const read = gate()
      const finish = gate()
      const getRow = cache.cacheable(
        async () => {
          const value = row
          read.open()
          await finish.opened
          return value
        },
        { name: "getRow", deps: ["row"] },
      )
      const first = getRow()
      await Promise.race([read.opened, first])
      row = "new"
      await cache.invalidate("row")
      const second = getRow()
      finish.open()
      await first
      assert.equal(await second, "new")
    }),

    "an outer result depends on what the inner calls depended on, hit or miss": withCache(async (cache) => {
      let inner = 0
      let outer = 0
      const getUser = cache.cacheable(async () => ++inner, { name: "getUser", deps: ["user"] })
      const getPage = cache.cacheable(
        async () => {
          await tick()
          return `${++outer}:${await getUser()}`
        },
        { name: "getPage" },
      )
      await getUser()
      assert.equal(await getPage(), "1:1")
      assert.equal(await getPage(), "1:1")
      await cache.invalidate("user")
      assert.equal(await getPage(), "2:2")
    }),

    "addDeps counts after an await, for the load it is called in": withCache(async (cache) => {
      let loads = 0
      const load = cache.cacheable(
        async (id) => {
          await tick()
          assert.ok(currentLoad())
          addDeps(`late:${id}`)
          return ++loads
        },
        { name: "load" },
      )
      await Promise.all([load(1), load(2)])
      assert.equal(currentLoad(), undefined)
      await cache.invalidate("late:1")
      const again = await load(1)
      assert.equal(again, 3)
      await load(2)
      assert.equal(loads, 3)
    }),

    "null and undefined are values": withCache(async (cache) => {
      let loads = 0
      const load = cache.cacheable(
        async (value) => {
          loads++
          return value
        },
        { name: "load" },
      )
      assert.equal(await load(null), null)
      assert.equal(await load(null), null)
      assert.equal(await load(undefined), undefined)
      assert.equal(await load(undefined), undefined)
      assert.equal(loads, 2)
    }),

    "a shared result can't be changed by one of those who share it": withCache(async (cache) => {
      const load = cache.cacheable(async () => ({ list: [1] }), { name: "load" })
      const value = await load()
      assert.throws(() => {
        value.list.push(2)
      }, TypeError)
      assert.deepEqual(await load(), { list: [1] })
    }),

    "keys tell apart what JSON does not, and see through the order of properties": withCache(async (cache) => {
      const load = cache.cacheable(async () => ({}), { name: "load" })
      const distinct = [
        1,
        "1",
        [1],
        null,
        { a: undefined },
        {},
        new Date(0),
        new Map([[1, 2]]),
        new Set([1]),
        1n,
        -0,
        0,
      ]
      const values = await Promise.all(distinct.map((argument) => load(argument)))
      assert.equal(new Set(values).size, distinct.length)
      assert.equal(await load({ a: 1, b: 2 }), await load({ b: 2, a: 1 }))
    }),

    "a rejected load is not kept": withCache(async (cache) => {
      let loads = 0
      const load = cache.cacheable(
        async () => {
          if (++loads === 1) throw new RangeError("once")
          return loads
        },
        { name: "load" },
      )
      await assert.rejects(load(), RangeError)
      assert.equal(await load(), 2)
    }),

    "set, get, lookup and delete": withCache(async (cache) => {
      await cache.set("greeting", "hello", { deps: ["words"] })
      assert.equal(await cache.get("greeting"), "hello")
      await cache.invalidate("words")
      assert.equal(await cache.get("greeting"), undefined)
      await cache.set("nothing", null)
      const { value, state, dependencies } = await cache.lookup("nothing")
      assert.deepEqual({ value, state, dependencies }, { value: null, state: "fresh", dependencies: [] })
      await cache.delete("nothing")
      assert.equal(await cache.lookup("nothing"), undefined)
    }),

    "tag escapes what is interpolated": () => {
      assert.equal(tag`user:${"a:b*"}`.split(":").length, 2)
    },

    "misuse rejects with an error that has a class, a code and a subject": withCache(async (cache) => {
      const error = await Promise.resolve(cache.invalidate("user 42")).catch((reason) => reason)
      assert.ok(error instanceof zoocache.InvalidTagError)
      assert.ok(error instanceof zoocache.ZooCacheError)
      assert.ok(error instanceof Error)
      assert.equal(error.name, "InvalidTagError")
      assert.match(error.code, /^ERR_ZOOCACHE_/)
    }),

    "what runs for nobody's request sees the store of none": withCache(async (cache) => {
      const { AsyncLocalStorage } = require("node:async_hooks")
      const requests = new AsyncLocalStorage()
      const seen = []
      const look = () => {
        seen.push(requests.getStore())
        return seen.length
      }
      const many = cache.cacheableMany(async (ids) => ids.map(look), { name: "many" })
      const root = cache.cacheable(async () => look(), { name: "root", context: "root" })
      await requests.run("first", () => Promise.all([many([1]), root()]))
      await requests.run("second", () => Promise.all([many([2]), root.refresh()]))
      await requests.run("third", () => root.with({ fresh: true })())
      assert.deepEqual(seen, Array.from({ length: 5 }).fill(undefined))
      assert.equal(await requests.run("caller", () => cache.getOrLoad("key", () => requests.getStore())), "caller")
    }),

    "the default cache at the root": async () => {
      let loads = 0
      try {
        const load = zoocache.cacheable(async (id) => `${id}:${++loads}`, {
          name: "smoke",
          deps: (id) => [`smoke:${id}`],
        })
        await load(1)
        assert.equal(await load(1), "1:1")
        await zoocache.invalidate("smoke")
        assert.equal(await load(1), "1:2")
        await zoocache.set("smoke", 1)
        assert.equal(await zoocache.get("smoke"), 1)
        await zoocache.clear()
        assert.equal(await zoocache.get("smoke"), undefined)
      } finally {
        await zoocache.reset()
      }
    },

    "zoocache/testing works on the same classes": () => {
      assert.equal(typeof testing.ManualClock, "function")
      assert.equal(typeof testing.checkInvariants, "function")
    },
  }
}

/** Runs all checks one after the other and prints how many passed; the exit code tells whether all did. */
async function run(how, zoocache, testing, more = {}) {
  const all = Object.entries({ ...checks(zoocache, testing), ...more })
  let passed = 0
  for (const [name, check] of all) {
    let timer
    try {
      const late = new Promise((_, reject) => {
        timer = setTimeout(reject, 5000, new Error("still not done after 5 s"))
      })
      await Promise.race([check(), late])
      passed++
    } catch (error) {
      console.error(`not ok: ${name} (${how})\n${error && error.stack ? error.stack : String(error)}`)
    } finally {
      clearTimeout(timer)
    }
  }
  console.log(`${how}: ${passed} of ${all.length} checks passed`)
  // Nothing is left open by those that passed, so the process ends by itself; one that hangs fails for it.
  if (passed < all.length) process.exit(1)
}

/** What the two ways of loading give must be one library. */
function sameInstance(required, imported) {
  return {
    "import and require give the same instance": async () => {
      for (const name of Object.keys(required)) assert.equal(imported[name], required[name], name)
      const names = Object.keys(imported).filter((name) => name !== "default" && name !== "module.exports")
      assert.deepEqual(new Set(names), new Set(Object.keys(required)))
      const cache = imported.createCache({ ttl: "1h" })
      const error = await Promise.resolve(cache.invalidate("user 42")).catch((reason) => reason)
      assert.ok(error instanceof required.InvalidTagError)
      await cache.close()
    },
  }
}

module.exports = { checks, run, sameInstance }

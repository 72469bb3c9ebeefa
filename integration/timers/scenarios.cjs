/**
 * What holds under faked timers, whoever fakes them. A tool is what a test file makes of its own: how to install a faked clock,
 * move it, set it, and give it back.
 */
const assert = require("node:assert/strict")

const MINUTE = 60_000

/** Promise jobs: the one thing that no tool fakes. */
async function jobs() {
  for (let left = 100; left > 0; left -= 1) await undefined
}

/** A function of a cache that counts its loads. */
function counting({ createCache }, options) {
  const cache = createCache(options)
  const loads = []
  const get = cache.cacheable(
    async (id) => {
      loads.push(id)
      return { id, load: loads.length }
    },
    { deps: (id) => [`user:${id}`] },
  )
  return { cache, get, loads }
}

/** The ways to move a faked clock on. */
const moves = {
  "the timers are moved": (tool, ms) => tool.advance(ms),
  "the timers are moved asynchronously": (tool, ms) => tool.advanceAsync(ms),
  "the date is set": (tool, ms) => tool.setTime(Date.now() + ms),
}

function scenarios(zoocache, tool) {
  const found = []
  const scenario = (name, run) => {
    found.push([
      name,
      async () => {
        const open = []
        const counted = (options) => {
          const one = counting(zoocache, options)
          open.push(one.cache)
          return one
        }
        try {
          await run(counted)
        } finally {
          await tool.uninstall()
          for (const cache of open) await cache.close()
        }
      },
    ])
  }

  for (const [how, move] of Object.entries(moves)) {
    if (how === "the timers are moved asynchronously" && tool.advanceAsync === undefined) continue
    if (how === "the date is set" && tool.setTime === undefined) continue

    scenario(`a ttl ends when ${how}, to the millisecond`, async (counted) => {
      await tool.install()
      const { get, loads, cache } = counted({ ttl: MINUTE })
      await get(1)
      await move(tool, MINUTE - 1)
      await get(1)
      assert.equal(loads.length, 1)
      assert.equal(get.peek(1).load, 1)
      await move(tool, 1)
      assert.equal(get.peek(1), undefined)
      assert.equal(await cache.has(get.keyOf(1)), false)
      await get(1)
      assert.equal(loads.length, 2)
    })

    scenario(`a ttl of before the clock was faked ends when ${how}`, async (counted) => {
      const { get, loads } = counted({ ttl: MINUTE })
      await get(1)
      await get(1)
      await tool.install()
      await move(tool, MINUTE)
      await get(1)
      assert.equal(loads.length, 2)
    })

    scenario(`an idleTtl slides and ends when ${how}`, async (counted) => {
      await tool.install()
      const { get, loads } = counted({ idleTtl: MINUTE })
      await get(1)
      for (let time = 0; time < 3; time += 1) {
        await move(tool, MINUTE - 1)
        await get(1)
      }
      assert.equal(loads.length, 1)
      await move(tool, MINUTE)
      await get(1)
      assert.equal(loads.length, 2)
    })

    scenario(`grace serves what has expired when ${how}, and loads anew`, async (counted) => {
      await tool.install()
      const { get, loads } = counted({ ttl: MINUTE, grace: MINUTE })
      await get(1)
      await move(tool, MINUTE)
      assert.equal((await get(1)).load, 1)
      await jobs()
      assert.equal(loads.length, 2)
      assert.equal((await get(1)).load, 2)
      await move(tool, 2 * MINUTE)
      assert.equal((await get(1)).load, 3)
    })

    scenario(`grace serves what has expired when ${how} and the loader fails`, async (counted) => {
      await tool.install()
      const { cache } = counted({ ttl: MINUTE, grace: "1h" })
      let isDown = false
      const get = cache.cacheable(
        async () => {
          if (isDown) throw new Error("down")
          return "up"
        },
        { timeout: { soft: "1s" } },
      )
      await get()
      isDown = true
      await move(tool, MINUTE)
      assert.equal(await get(), "up")
      await move(tool, 60 * MINUTE)
      await assert.rejects(get(), /down/)
    })

    scenario(`an early refresh begins when ${how}`, async (counted) => {
      await tool.install()
      const { get, loads } = counted({ ttl: MINUTE, earlyRefresh: 0.5 })
      await get(1)
      await move(tool, MINUTE / 2)
      assert.equal((await get(1)).load, 1)
      await jobs()
      assert.equal(loads.length, 2)
    })

    scenario(`values by hand, kept errors and synchronous functions expire when ${how}`, async (counted) => {
      await tool.install()
      const { cache } = counted({})
      await cache.set("k", 1, { ttl: MINUTE })
      let failures = 0
      const failing = cache.cacheable(
        async () => {
          failures += 1
          throw new Error("down")
        },
        { cacheErrors: MINUTE },
      )
      await assert.rejects(failing())
      await assert.rejects(failing())
      let parsed = 0
      const parse = cache.cacheableSync((text) => text + (parsed += 1), { ttl: MINUTE })
      assert.equal(parse("a"), "a1")
      await move(tool, MINUTE - 1)
      assert.equal(parse("a"), "a1")
      assert.deepEqual([await cache.get("k"), failures], [1, 1])
      await move(tool, 1)
      assert.equal(parse("a"), "a2")
      assert.equal(await cache.get("k"), undefined)
      await assert.rejects(failing())
      assert.equal(failures, 2)
    })
  }

  if (tool.setTime !== undefined) {
    scenario("a date that is set back makes nothing younger, and nothing older", async (counted) => {
      await tool.install()
      const { get, loads } = counted({ ttl: MINUTE })
      await tool.setTime(Date.now() + 10 * MINUTE)
      await get(1)
      await tool.setTime(Date.now() - 5 * MINUTE)
      await get(1)
      assert.equal(loads.length, 1)
      await tool.advance(MINUTE)
      await get(1)
      assert.equal(loads.length, 2)
    })
  }

  scenario("a hard timeout ends a load when the timers are moved", async (counted) => {
    await tool.install()
    const { cache } = counted({})
    const never = cache.cacheable(() => new Promise(() => {}), { name: "never", timeout: "1s" })
    const call = never()
    const rejected = assert.rejects(call, { code: "ERR_ZOOCACHE_LOAD_TIMEOUT" })
    await jobs()
    await tool.advance(1000)
    await rejected
  })

  scenario("a loader that waits for a timer lands when the timers are moved", async (counted) => {
    await tool.install()
    const { cache } = counted({ ttl: MINUTE })
    let loads = 0
    const slow = cache.cacheable(async () => {
      loads += 1
      await new Promise((resolve) => setTimeout(resolve, 5000))
      return loads
    })
    const calls = [slow(), slow()]
    await jobs()
    await tool.advance(5000)
    assert.deepEqual(await Promise.all(calls), [1, 1])
    assert.equal(await slow(), 1)
  })

  scenario("nothing waits for a timer that nobody moves: loads, batches, invalidations, refreshes", async (counted) => {
    await tool.install()
    const { cache, get } = counted({ ttl: MINUTE })
    assert.deepEqual(await get(1), { id: 1, load: 1 })
    const batches = []
    const users = cache.cacheableMany(async (ids) => {
      batches.push([...ids])
      return new Map(ids.map((id) => [id, `user ${id}`]))
    })
    assert.deepEqual(await Promise.all([users.one(1), users.one(2), users([2, 3])]), [
      "user 1",
      "user 2",
      new Map([
        [2, "user 2"],
        [3, "user 3"],
      ]),
    ])
    assert.deepEqual(batches, [[1, 2, 3]])
    await cache.invalidate("user:1")
    assert.equal((await get(1)).load, 2)
    assert.equal((await get.refresh(1)).load, 3)
    await cache.transaction(async () => {
      await cache.invalidate("user:1")
    })
    await cache.sync()
    assert.equal((await get(1)).load, 4)
    assert.equal(await cache.getOrLoad("k", async () => "loaded"), "loaded")
  })

  if (tool.runAll !== undefined) {
    scenario("no timer of the cache runs when a test runs all timers, so no entry expires by that", async (counted) => {
      await tool.install()
      const { get, loads, cache } = counted({ ttl: "30d" })
      await get(1)
      let ran = false
      setTimeout(() => {
        ran = true
      }, 100)
      await cache.invalidate("other")
      await tool.runAll()
      assert.equal(ran, true)
      await get(1)
      assert.equal(loads.length, 1)
      assert.equal(tool.count?.() ?? 0, 0)
    })
  }

  scenario("when the clock is given back, time goes on from where it is", async (counted) => {
    await tool.install()
    const { get, loads } = counted({ ttl: "1h" })
    await get(1)
    await tool.advance(59 * MINUTE)
    await get(1)
    await tool.uninstall()
    await get(1)
    assert.equal(loads.length, 1)
    // A date that is set years ahead is time that passes.
    if (tool.isAhead) return
    await tool.install()
    await get(1)
    assert.equal(loads.length, 1)
    await tool.advance(MINUTE)
    await get(1)
    assert.equal(loads.length, 2)
  })

  scenario("a cache and its load outlive a faked clock: timeouts are cleared where they were set", async (counted) => {
    const { cache } = counted({})
    let finish
    const slow = cache.cacheable(() => new Promise((resolve) => (finish = resolve)))
    const before = slow(1)
    await jobs()
    await tool.install()
    finish("a")
    assert.equal(await before, "a")
    const during = slow(2)
    await jobs()
    await tool.uninstall()
    finish("b")
    assert.equal(await during, "b")
  })

  return found
}

module.exports = { scenarios, jobs }

import assert from "node:assert/strict"
import { changeId } from "../core/ports/change.js"
import type { AppendReply, InvalidationLog, LogChange, LogNews, LogPosition, PullReply } from "../core/ports/log.js"

/** A log as the suite gets it. */
export interface LogUnderTest {
  /** Fresh: nothing was appended to it. */
  readonly log: InvalidationLog
  /** Another handle to the same log, as another process would have it; the same one where there is no such thing. */
  readonly other: InvalidationLog
  /** Loses the log's history, as a server that restarts without its data does. Left out where that can't happen. */
  readonly loseHistory?: (() => void | Promise<void>) | undefined
  /** Closes what `close()` of the logs does not. */
  readonly cleanUp?: (() => void | Promise<void>) | undefined
}

export interface LogConformanceOptions {
  /** `test` or `it` of a test runner. */
  readonly test: (name: string, body: () => Promise<void>) => unknown
  /** Makes a fresh log for each test. With a budget, the log remembers so many tags and so many keys, or a few more. */
  readonly make: (options: { readonly maxTags?: number }) => LogUnderTest | Promise<LogUnderTest>
  /** For how long news may take; milliseconds. Default 5000. */
  readonly patienceMs?: number | undefined
}

const BUDGET = 8

/**
 * The contract of {@link InvalidationLog} as tests, for the logs of this library and for your own.
 *
 * @example
 * import { test } from "node:test"
 * import { logConformance } from "zoocache/testing"
 * logConformance({ test, make: async () => ({ log: await connect(), other: await connect() }) })
 */
export function logConformance(options: LogConformanceOptions): void {
  const { make, patienceMs = 5000 } = options
  const test = (
    name: string,
    body: (log: InvalidationLog, other: InvalidationLog, all: LogUnderTest) => Promise<void>,
    maxTags?: number,
  ) => {
    options.test(name, async () => {
      const made = await make(maxTags === undefined ? {} : { maxTags })
      try {
        await body(made.log, made.other, made)
      } finally {
        await made.log.close()
        if (made.other !== made.log) await made.other.close()
        await made.cleanUp?.()
      }
    })
  }

  test("each append gets a version above every earlier one, whoever appends", async (log, other) => {
    let last = 0
    for (let round = 0; round < 50; round += 1) {
      const reply = await append(round % 2 === 0 ? log : other, [tag(`t:${round}`)])
      assert.ok(Number.isSafeInteger(reply.version) && reply.version > last, `${reply.version} after ${last}`)
      last = reply.version
    }
  })

  test("an append says which version was the newest before it", async (log, other) => {
    const first = await append(log, [tag("a")])
    const second = await append(other, [tag("b")])
    const third = await append(log, [tag("c")])
    assert.equal(second.previousHead, first.version)
    assert.equal(third.previousHead, second.version)
    assert.deepEqual(third.epoch, first.epoch)
  })

  test("appends at the same time form one line", async (log, other) => {
    const before = await pull(log)
    const replies = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => append(index % 2 === 0 ? log : other, [tag(`t:${index}`)])),
    )
    replies.sort((a, b) => a.version - b.version)
    let head = before.head
    for (const reply of replies) {
      assert.equal(reply.previousHead, head)
      head = reply.version
    }
    assert.equal((await pull(other)).head, head)
  })

  test(
    "all changes of an append have one version",
    async (log, other) => {
      const changes = [
        tag("a"),
        tag("a:b"),
        { kind: "key", path: "k" } as const,
        { kind: "expiry", path: "e" } as const,
      ]
      const reply = await append(log, changes)
      const pulled = await pull(other)
      assert.deepEqual(namesOf(pulled), [...changes].map(changeId).sort())
      for (const change of pulled.changes) assert.equal(change.version, reply.version)
      assert.equal(pulled.head, reply.version)
    },
    100,
  )

  test(
    "a pull brings everything above the cursor and nothing else",
    async (log, other) => {
      const first = await append(log, [tag("a")])
      await append(other, [tag("b")])
      const third = await append(log, [tag("c")])
      const position = { epoch: first.epoch, cursor: first.version }
      const pulled = await pull(other, position)
      assert.deepEqual(namesOf(pulled), ["tag b", "tag c"])
      assert.equal(pulled.head, third.version)
      const nothing = await pull(log, { epoch: first.epoch, cursor: third.version })
      assert.deepEqual(nothing.changes, [])
      assert.equal(nothing.head, third.version)
    },
    100,
  )

  test("an empty log has a head, no floor, and nothing to tell", async (log) => {
    const pulled = await pull(log)
    assert.deepEqual(pulled.changes, [])
    assert.ok(pulled.floor <= pulled.head && pulled.keyFloor <= pulled.head)
    const again = await pull(log, { epoch: pulled.epoch, cursor: pulled.head })
    assert.deepEqual(again.epoch, pulled.epoch)
    assert.equal(again.head, pulled.head)
  })

  test(
    "a path that changed again has its newest version only",
    async (log, other) => {
      const first = await append(log, [tag("a"), tag("b")])
      const second = await append(log, [tag("a")])
      const pulled = await pull(other)
      const versions = new Map(pulled.changes.map((change) => [changeId(change), change.version]))
      assert.deepEqual(Object.fromEntries(versions), { "tag a": second.version, "tag b": first.version })
      assert.equal(pulled.changes.length, 2)
    },
    100,
  )

  test(
    "kinds are apart: one path may be a tag, an expiry, a key and a function",
    async (log, other) => {
      for (const kind of ["tag", "expiry", "key", "function"] as const) await append(log, [{ kind, path: "same" }])
      const pulled = await pull(other)
      assert.deepEqual(namesOf(pulled), ["expiry same", "function same", "key same", "tag same"])
      assert.equal(new Set(pulled.changes.map((change) => change.version)).size, 4)
    },
    100,
  )

  test(
    "everything, keys and unusual paths come back as they were",
    async (log, other) => {
      const changes: LogChange[] = [
        tag(""),
        tag("org:1:user:größe@example.com:☃:\u{1f600}"),
        { kind: "key", path: "" },
        { kind: "key", path: ' "quoted"\\ \n\u0000 {"a":[1]}' },
        { kind: "function", path: "ƒ:name:2:" },
        { kind: "key", path: "k".repeat(2000) },
      ]
      await append(log, changes)
      assert.deepEqual(namesOf(await pull(other)), changes.map(changeId).sort())
    },
    100,
  )

  test(
    "many changes in one append have one version",
    async (log, other) => {
      const changes = Array.from({ length: 3000 }, (_, index) => tag(`t:${index}`))
      const reply = await append(log, changes)
      const pulled = await pull(other)
      assert.equal(pulled.changes.length, changes.length)
      assert.ok(pulled.changes.every((change) => change.version === reply.version))
    },
    10_000,
  )

  test(
    "tags that were forgotten raise the floor of tags alone",
    async (log, other) => {
      await append(log, [{ kind: "key", path: "kept" }])
      const known = new Map<string, number>()
      for (let index = 0; index < BUDGET * 20; index += 1) {
        const reply = await append(log, [tag(`t:${index}`)])
        known.set(`t:${index}`, reply.version)
      }
      const pulled = await pull(other)
      assert.ok(pulled.floor > 0, "nothing was forgotten")
      checkFloor(known, pulled, "tag", pulled.floor)
      assert.equal(pulled.keyFloor, 0)
      assert.ok(pulled.changes.some((change) => change.kind === "key"))
    },
    BUDGET,
  )

  test(
    "keys that were forgotten raise the floor of keys alone",
    async (log, other) => {
      await append(log, [tag("kept")])
      const known = new Map<string, number>()
      for (let index = 0; index < BUDGET * 20; index += 1) {
        const reply = await append(log, [{ kind: "key", path: `k${index}` }])
        known.set(`k${index}`, reply.version)
      }
      const pulled = await pull(other)
      assert.ok(pulled.keyFloor > 0, "nothing was forgotten")
      checkFloor(known, pulled, "key", pulled.keyFloor)
      assert.equal(pulled.floor, 0)
      assert.ok(pulled.changes.some((change) => change.kind === "tag"))
    },
    BUDGET,
  )

  test(
    "an append that is larger than what is remembered raises the floor to its own version at most",
    async (log, other) => {
      const reply = await append(
        log,
        Array.from({ length: BUDGET * 20 }, (_, index) => tag(`t:${index}`)),
      )
      const pulled = await pull(other)
      const isWhole = pulled.changes.length === BUDGET * 20
      assert.ok(isWhole || pulled.floor === reply.version, `floor ${pulled.floor}, version ${reply.version}`)
      assert.ok(pulled.floor <= pulled.head)
    },
    BUDGET,
  )

  test(
    "a caller of another epoch is answered from the beginning",
    async (log, other) => {
      const reply = await append(log, [tag("a"), { kind: "key", path: "k" }])
      const positions: LogPosition[] = [
        { epoch: undefined, cursor: 0 },
        { epoch: undefined, cursor: reply.version },
        { epoch: { ordinal: 1, nonce: "earlier" }, cursor: reply.version },
      ]
      for (const position of positions) {
        const pulled = await pull(other, position)
        assert.deepEqual(namesOf(pulled), ["key k", "tag a"])
        assert.deepEqual(pulled.epoch, reply.epoch)
      }
    },
    100,
  )

  test("an epoch has an ordinal of Unix seconds and a short random part", async (log) => {
    const { epoch } = await pull(log)
    assert.ok(Number.isSafeInteger(epoch.ordinal) && epoch.ordinal > 1_000_000_000)
    assert.match(epoch.nonce, /^[\w-]{1,32}$/)
  })

  test(
    "when history is lost, a higher epoch begins above all versions",
    async (log, other, { loseHistory }) => {
      const before = await append(log, [tag("a")])
      // A log that can't lose its history has nothing to show here.
      if (loseHistory === undefined) return
      await loseHistory()
      const position = { epoch: before.epoch, cursor: before.version }
      const pulled = await pull(other, position)
      assert.ok(pulled.epoch.ordinal > before.epoch.ordinal)
      assert.ok(pulled.head >= before.version)
      assert.deepEqual(namesOf(pulled), [])
      const after = await log.append([tag("b")], position, "one")
      assert.deepEqual(after.epoch, pulled.epoch)
      assert.ok(after.version > before.version)
      assert.deepEqual(namesOf(await pull(other, position)), ["tag b"])
    },
    100,
  )

  test("the doorbell rings at every handle for each append, and says who appended what", async (log, other) => {
    const heard = [listen(log), listen(other)]
    const reply = await append(log, [tag("a"), { kind: "key", path: "k" }])
    for (const { news } of heard) {
      await until(() => news.length > 0, "no news", patienceMs)
      const [first] = news
      // A ring without words is allowed: it says that there is something to pull.
      if (first === undefined) continue
      assert.equal(first.version, reply.version)
      assert.equal(first.previousHead, reply.previousHead)
      assert.deepEqual(first.epoch, reply.epoch)
      assert.equal(first.origin, "one")
      assert.deepEqual(first.changes.map(changeId).sort(), ["key k", "tag a"])
    }
    for (const { end } of heard) end()
  })

  test("the doorbell is silent once its subscription has ended, and ending twice is fine", async (log, other) => {
    const ended = listen(other)
    const listening = listen(other)
    ended.end()
    ended.end()
    await append(log, [tag("a")])
    await until(() => listening.news.length > 0, "no news", patienceMs)
    assert.equal(ended.news.length, 0)
    listening.end()
  })

  test(
    "a repeated append is one more invalidation and does no harm",
    async (log, other) => {
      const first = await append(log, [tag("a")])
      const second = await append(log, [tag("a")])
      assert.ok(second.version > first.version)
      const pulled = await pull(other, { epoch: first.epoch, cursor: first.version })
      assert.deepEqual(namesOf(pulled), ["tag a"])
    },
    100,
  )

  test(
    "what is given and what is returned is nobody else's",
    async (log, other) => {
      const changes = [{ kind: "tag" as const, path: "a" }]
      await append(log, changes)
      ;(changes[0] as { path: string }).path = "changed"
      const pulled = await pull(other)
      assert.deepEqual(namesOf(pulled), ["tag a"])
      ;(pulled.changes as unknown[]).length = 0
      assert.deepEqual(namesOf(await pull(other)), ["tag a"])
    },
    100,
  )

  test("close() ends the subscriptions of its own handle, and twice is fine", async (log, other) => {
    const closed = listen(other)
    await other.close()
    await other.close()
    if (other === log) return
    const open = listen(log)
    await append(log, [tag("a")])
    await until(() => open.news.length > 0, "no news", patienceMs)
    assert.equal(closed.news.length, 0)
    open.end()
  })
}

async function append(log: InvalidationLog, changes: readonly LogChange[]): Promise<AppendReply> {
  return log.append(changes, { epoch: undefined, cursor: 0 }, "one")
}

async function pull(log: InvalidationLog, position: LogPosition = { epoch: undefined, cursor: 0 }): Promise<PullReply> {
  return log.pull(position)
}

function tag(path: string): LogChange {
  return { kind: "tag", path }
}

function namesOf({ changes }: PullReply): string[] {
  return changes.map(changeId).sort()
}

function listen(log: InvalidationLog): { readonly news: (LogNews | undefined)[]; readonly end: () => void } {
  const news: (LogNews | undefined)[] = []
  return { news, end: log.listen((heard?: LogNews) => news.push(heard)) }
}

/** Changes above the floor must be there; those at or below it may be gone. */
function checkFloor(known: ReadonlyMap<string, number>, pulled: PullReply, kind: string, floor: number): void {
  assert.ok(floor <= pulled.head)
  const told = new Map(
    pulled.changes.filter((change) => change.kind === kind).map(({ path, version }) => [path, version]),
  )
  assert.ok(told.size < known.size, "nothing was forgotten")
  for (const [path, version] of known) {
    if (version > floor) assert.equal(told.get(path), version, `${path} is above the floor`)
  }
}

async function until(isSo: () => boolean, otherwise: string, patienceMs: number): Promise<void> {
  const end = Date.now() + patienceMs
  while (!isSo()) {
    if (Date.now() > end) assert.fail(otherwise)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

import assert from "node:assert/strict"
import type { Lease, LeaseAnswer, LeaseEnd, Leases } from "../core/ports/leases.js"

/** Leases as the suite gets them. */
export interface LeasesUnderTest {
  /** Fresh: none is held. */
  readonly leases: Leases
  /** The same leases as another process has them. */
  readonly other: Leases
  /** Lets time pass, for the leases. */
  readonly pass: (ms: number) => Promise<void>
  /** Closes what was opened. */
  readonly cleanUp?: (() => void | Promise<void>) | undefined
}

export interface LeaseConformanceOptions {
  /** `test` or `it` of a test runner. */
  readonly test: (name: string, body: () => Promise<void>) => unknown
  readonly make: () => LeasesUnderTest | Promise<LeasesUnderTest>
}

/** Long enough to outlast each step of a test, and short enough to wait for. */
const LEASE_MS = 10_000
const SHORT_MS = 250

/**
 * The contract of {@link Leases} as tests, for the stores of this library and for your own.
 *
 * @example
 * leaseConformance({
 *   test,
 *   make: () => {
 *     const clock = new ManualClock()
 *     const board = new LeaseBoard({ clock })
 *     const store = () => new RemoteMemoryStore({ codec, board })
 *     return { leases: store().leases, other: store().leases, pass: async (ms) => clock.advance(ms) }
 *   },
 * })
 */
export function leaseConformance(options: LeaseConformanceOptions): void {
  const test = (name: string, body: (made: LeasesUnderTest) => Promise<void>) => {
    options.test(name, async () => {
      const made = await options.make()
      try {
        await body(made)
      } finally {
        await made.cleanUp?.()
      }
    })
  }

  test("a lease has one holder at a time", async ({ leases, other }) => {
    granted(await leases.acquire("k", LEASE_MS))
    const heldForMs = refused(await other.acquire("k", LEASE_MS))
    assert.ok(heldForMs > 0 && heldForMs <= LEASE_MS, `held for ${heldForMs} ms`)
    // Nor may the holder's process load it twice.
    refused(await leases.acquire("k", LEASE_MS))
  })

  test("of many who ask at once one gets it", async ({ leases, other }) => {
    const asking = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? leases : other).acquire("k", LEASE_MS))
    const answers = await Promise.all(asking)
    assert.equal(answers.filter((answer) => answer !== undefined && "lease" in answer).length, 1)
  })

  test("leases of other keys are others", async ({ leases, other }) => {
    const keys = ["k", "K", "k:1", "{k}", "%7Bk%7D", "", "ƒ:f::1", "x".repeat(2000), `${"x".repeat(1999)}y`, "\ud800"]
    for (const [index, key] of keys.entries()) granted(await (index % 2 === 0 ? leases : other).acquire(key, LEASE_MS))
    for (const key of keys) refused(await other.acquire(key, LEASE_MS))
  })

  test("one that is given back can be taken", async ({ leases, other }) => {
    await granted(await leases.acquire("k", LEASE_MS)).release("stored")
    await granted(await other.acquire("k", LEASE_MS)).release("failed")
    granted(await leases.acquire("k", LEASE_MS))
  })

  test("one runs out", async ({ leases, other, pass }) => {
    granted(await leases.acquire("k", SHORT_MS))
    refused(await other.acquire("k", LEASE_MS))
    await pass(SHORT_MS + 50)
    granted(await other.acquire("k", LEASE_MS))
  })

  test("whoever was refused does not make it last longer", async ({ leases, other, pass }) => {
    granted(await leases.acquire("k", SHORT_MS))
    for (let asked = 0; asked < 3; asked += 1) refused(await other.acquire("k", LEASE_MS))
    await pass(SHORT_MS + 50)
    granted(await other.acquire("k", LEASE_MS))
  })

  test("a holder whose lease has run out can't give back that of the next", async ({ leases, other, pass }) => {
    const late = granted(await leases.acquire("k", SHORT_MS))
    await pass(SHORT_MS + 50)
    const lease = granted(await other.acquire("k", LEASE_MS))
    await late.release("stored")
    refused(await leases.acquire("k", LEASE_MS))
    await lease.release("stored")
    await late.release("stored")
    granted(await leases.acquire("k", LEASE_MS))
  })

  for (const end of ["stored", "failed", "unwanted"] as const) {
    test(`who was refused is woken, and told how it ended: ${end}`, async (made) => {
      const { leases, other } = made
      const ends: (LeaseEnd | undefined)[] = []
      const others: (LeaseEnd | undefined)[] = []
      const unwatch = other.watch("k", (said) => ends.push(said))
      const unwatchOther = other.watch("another", (said) => others.push(said))
      await listening(made)
      // Calls until now said that an end may have been missed.
      ends.length = 0
      others.length = 0
      const lease = granted(await leases.acquire("k", LEASE_MS))
      refused(await other.acquire("k", LEASE_MS))
      await lease.release(end)
      await soon(() => ends.length > 0)
      assert.deepEqual([...new Set(ends)], [end])
      assert.deepEqual(others, [])
      unwatch()
      unwatchOther()
    })
  }

  test("nobody is woken after they have ceased to watch", async (made) => {
    const { leases, other } = made
    const ends: (LeaseEnd | undefined)[] = []
    const heard: (LeaseEnd | undefined)[] = []
    const unwatch = other.watch("k", (said) => ends.push(said))
    const unwatchOther = other.watch("k", (said) => heard.push(said))
    await listening(made)
    unwatch()
    unwatch()
    ends.length = 0
    heard.length = 0
    const lease = granted(await leases.acquire("k", LEASE_MS))
    refused(await other.acquire("k", LEASE_MS))
    await lease.release("stored")
    await soon(() => heard.length > 0)
    assert.deepEqual(ends, [])
    unwatchOther()
  })
}

function granted(answer: LeaseAnswer): Lease {
  assert.ok(answer !== undefined && "lease" in answer, `it was not granted: ${JSON.stringify(answer)}`)
  return answer.lease
}

function refused(answer: LeaseAnswer): number {
  assert.ok(answer !== undefined && "heldForMs" in answer, "it was not refused")
  return answer.heldForMs
}

/** Resolves when a wake-up arrives: to listen may take a while to begin with. */
async function listening({ leases, other }: LeasesUnderTest): Promise<void> {
  const heard: (LeaseEnd | undefined)[] = []
  const unwatch = other.watch("listening", (end) => heard.push(end))
  for (let asked = 0; heard.length === 0 && asked < 500; asked += 1) {
    const lease = granted(await leases.acquire("listening", LEASE_MS))
    refused(await other.acquire("listening", LEASE_MS))
    await lease.release("failed")
    await later(10)
  }
  unwatch()
  assert.ok(heard.length > 0, "nobody is ever woken")
  // Everything else that was on its way has arrived.
  await later(20)
}

async function soon(question: () => boolean): Promise<void> {
  for (let waited = 0; !question() && waited < 5000; waited += 5) await later(5)
  assert.ok(question(), "nobody was woken")
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

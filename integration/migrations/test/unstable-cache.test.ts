import assert from "node:assert/strict"
import { after, test } from "node:test"
import { nextMillisecond } from "./next-millisecond.js"
import { inRequest } from "./next-request.js"
import * as ours from "../pages/unstable-cache/ours.js"
import { db } from "../pages/unstable-cache/database.js"

const theirs = await import("../pages/unstable-cache/theirs.js")
after(() => ours.close())

for (const [name, users, request, expected] of [
  ["unstable_cache", theirs, inRequest, { overlap: "Ada", team: "Ada" }],
  ["after unstable_cache", ours, <T>(work: () => Promise<T>) => work(), { overlap: "Countess", team: "Countess" }],
] as const) {
  const nameOf = async (id: string): Promise<string | undefined> => (await request(() => users.getUser(id)))?.name

  const rename = async (id: string, to: string): Promise<void> => {
    await nextMillisecond()
    await request(() => users.rename(id, to))
    await nextMillisecond()
  }

  test(`${name}: answers from the cache until the row is changed`, async () => {
    db.reset()
    assert.deepEqual([await nameOf("2"), await nameOf("2"), await nameOf("3")], ["Grace", "Grace", "Linus"])
    assert.deepEqual(db.queries, ["user 2", "user 3"])
    await rename("2", "Admiral")
    assert.equal(await nameOf("2"), "Admiral")
  })

  test(`${name}: serves ${expected.overlap} after a load that overlapped the change to Countess`, async () => {
    const held = db.hold("user 1")
    const early = nameOf("1")
    await held.reached
    await rename("1", "Countess")
    held.release()
    assert.equal(await early, "Ada")
    assert.equal(await nameOf("1"), expected.overlap)
  })

  test(`${name}: has ${expected.team} in a team that was made of the row before`, async () => {
    await rename("1", "Ada")
    const members = async (): Promise<(string | undefined)[]> =>
      (await request(() => users.getTeam("navy"))).map((member) => member?.name)
    assert.deepEqual(await members(), ["Ada", "Admiral"])
    await rename("1", "Countess")
    assert.equal(await nameOf("1"), "Countess")
    assert.deepEqual(await members(), [expected.team, "Admiral"])
  })
}

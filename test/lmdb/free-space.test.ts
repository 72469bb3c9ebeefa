import { describe, expect, test } from "vitest"
import type { Database, DatabaseStats } from "../../src/lmdb/database.js"
import { FreeSpace } from "../../src/lmdb/free-space.js"

const MIB = 1024 * 1024
const PAGES_PER_MIB = 256

/** A file of 16 MiB at most, of which so many pages are in use, up to an end. */
function setUp() {
  const file = { used: 100, end: 100, free: 1000 * MIB, nowMs: 0 }
  const room = new FreeSpace(
    "/cache",
    16 * MIB,
    () => file.nowMs,
    () => file.free,
  )
  const database = {
    getStats: (): DatabaseStats => ({
      pageSize: 4096,
      lastPageNumber: file.end - 1,
      entryCount: 0,
      treeBranchPageCount: 0,
      treeLeafPageCount: file.used - 2,
      overflowPages: 0,
      free: { entryCount: 0, treeBranchPageCount: 0, treeLeafPageCount: 0, overflowPages: 0 },
    }),
  } as Database
  const take = (bytes: number) => {
    const hasDisk = room.beginTransaction()
    return hasDisk && room.take(database, bytes)
  }
  return { file, room, database, take }
}

describe("room in the file", () => {
  test("is what the map leaves, less an eighth for invalidations", () => {
    const { file, take, room } = setUp()
    file.used = file.end = 13 * PAGES_PER_MIB
    expect(take(MIB / 2)).toBe(true)
    file.used = file.end = 14 * PAGES_PER_MIB
    expect(take(4096)).toBe(false)
    expect(room.canGain()).toBe(true)
    expect(room.full().message).toContain("mapSize")
  })

  test("is looked at again as it is used up, whatever this process takes itself", () => {
    const { file, take } = setUp()
    let taken = 0
    for (; taken < 10_000 && take(4096); taken += 1) file.used = file.end = 100 + taken * 9
    expect(taken * 9).toBeGreaterThan(10 * PAGES_PER_MIB)
    expect(taken * 9).toBeLessThan(15 * PAGES_PER_MIB)
  })

  test("at the end of the file is what was freed in it, unless that can't be used", () => {
    const { file, take, room } = setUp()
    file.used = 10 * PAGES_PER_MIB
    file.end = 16 * PAGES_PER_MIB
    for (let round = 0; round < 5; round += 1) expect(take(100_000)).toBe(true)
    file.end += 25
    expect(take(100_000)).toBe(false)
    expect(room.canGain()).toBe(false)
    expect(room.full().message).toContain("may be stopped")
    file.nowMs += 999
    expect(take(1)).toBe(false)
    file.nowMs += 1
    expect(take(1)).toBe(true)
  })
})

describe("room for what can wait", () => {
  test("is little in each transaction at the end of the file", () => {
    const { file, room, database } = setUp()
    file.used = 10 * PAGES_PER_MIB
    file.end = 16 * PAGES_PER_MIB
    room.beginTransaction()
    let taken = 0
    while (taken < 1000 && room.take(database, 4096, true)) taken += 1
    // An eighth of the reserve of 512 pages.
    expect(taken).toBe(64)
    expect(room.take(database, 4096)).toBe(true)
    room.beginTransaction()
    expect(room.take(database, 4096, true)).toBe(true)
  })

  test("ends where a transaction has come to the end of the file by itself", () => {
    const { file, room, database } = setUp()
    file.used = file.end = 100
    room.beginTransaction()
    let taken = 0
    while (taken < 10_000 && room.take(database, 4096, true)) taken += 1
    expect(taken).toBeGreaterThan(13 * PAGES_PER_MIB)
    expect(taken).toBeLessThan(15 * PAGES_PER_MIB)
  })
})

describe("room on the disk", () => {
  test("of less than 32 MiB lets the file not grow any more", () => {
    const { file, take, room } = setUp()
    file.free = 20 * MIB
    file.used = file.end = 1000
    expect(take(4096)).toBe(false)
    expect(room.canGain()).toBe(true)
    file.used = 900
    expect(take(4096)).toBe(true)
    file.end = 1001
    expect(take(4096)).toBe(false)
    expect(room.full().message).toContain("disk is nearly full")
  })

  test("of less than 8 MiB takes no entry, and of less than 1 MiB nothing", () => {
    const { file, room, take } = setUp()
    expect(take(4096)).toBe(true)
    file.free = 5 * MIB
    expect(take(4096)).toBe(false)
    expect(room.canGain()).toBe(false)
    expect(room.full().message).toContain("disk is full")
    expect(room.beginTransaction()).toBe(true)
    file.free = MIB / 2
    expect(room.beginTransaction()).toBe(false)
    file.free = 1000 * MIB
    expect(take(4096)).toBe(true)
  })
})

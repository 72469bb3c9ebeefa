import { describe, expect, it } from "vitest"
import { FIRST_NODE, PROBATION, PROTECTED, SlotLists, WINDOW } from "../../../src/core/memory/slot-lists.js"
import { randomFrom } from "./support/traces.js"

const node = (slot: number) => slot + FIRST_NODE

/** Slots of a list, from the one that is used least. */
function slotsOf(lists: SlotLists, list: number): number[] {
  const slots: number[] = []
  for (let at = lists.before(list); at !== list; at = lists.before(at)) slots.push(at - FIRST_NODE)
  return slots
}

function listsWith(slots: number, list: number, keepsWeights = true): SlotLists {
  const lists = new SlotLists(slots, keepsWeights)
  for (let slot = 0; slot < slots; slot++) lists.add(node(slot), list, 1, slot + 1)
  return lists
}

describe("SlotLists", () => {
  it("begins empty", () => {
    const lists = new SlotLists(4, true)
    lists.check()
    for (const list of [WINDOW, PROBATION, PROTECTED]) expect(slotsOf(lists, list)).toEqual([])
  })

  it("adds slots as the first, and moves them to the front of any list and to the end of the window", () => {
    const lists = listsWith(4, WINDOW)
    expect(slotsOf(lists, WINDOW)).toEqual([0, 1, 2, 3])
    lists.moveToFirst(node(0), WINDOW)
    expect(slotsOf(lists, WINDOW)).toEqual([1, 2, 3, 0])
    lists.moveToFirst(node(2), PROBATION)
    lists.moveToLastOfWindow(node(3))
    expect(slotsOf(lists, WINDOW)).toEqual([3, 1, 0])
    expect(slotsOf(lists, PROBATION)).toEqual([2])
    expect([...lists.sizes.subarray(1)]).toEqual([3, 1, 0])
    expect([...lists.listWeights.subarray(1)]).toEqual([7, 3, 0])
    lists.check()
  })

  it("takes a slot into use once, and out of it once", () => {
    const lists = listsWith(2, WINDOW)
    expect(() => lists.add(node(1), PROTECTED, 1, 1)).toThrow("slot 1 is in use")
    lists.remove(node(1))
    expect(() => lists.remove(node(1))).toThrow("slot 1 is in no list")
    expect(() => lists.moveToFirst(node(1), WINDOW)).toThrow("slot 1 is in no list")
    expect(lists.size).toBe(1)
    lists.check()
  })

  it("counts uses up to 15, and makes the slot the first, except in probation", () => {
    const lists = listsWith(3, WINDOW)
    for (let count = 0; count < 20; count++) expect(lists.use(node(0))).toBe(WINDOW)
    expect(lists.frequencyOf(node(0))).toBe(15)
    expect(slotsOf(lists, WINDOW)).toEqual([1, 2, 0])
    const inProbation = listsWith(3, PROBATION)
    expect(inProbation.use(node(0))).toBe(PROBATION)
    expect(inProbation.frequencyOf(node(0))).toBe(2)
    expect(slotsOf(inProbation, PROBATION)).toEqual([0, 1, 2])
  })

  it("leaves what is not in use alone, the heads of its lists too", () => {
    const lists = listsWith(2, PROTECTED)
    lists.remove(node(0))
    for (const slot of [0, -1, -2, -3]) expect(lists.use(node(slot))).toBe(0)
    lists.check()
  })

  it("halves all frequencies and nothing else", () => {
    const lists = new SlotLists(9, true)
    for (let slot = 0; slot < 9; slot++) lists.add(node(slot), 1 + (slot % 3), slot + 7, 1)
    lists.extendMargin(2, 10)
    lists.halveFrequencies()
    for (let slot = 0; slot < 9; slot++) {
      expect(lists.frequencyOf(node(slot))).toBe((slot + 7) >> 1)
      expect(lists.listOf(node(slot))).toBe(1 + (slot % 3))
    }
    lists.check()
  })

  it("keeps the weights of its lists when one changes", () => {
    const lists = listsWith(3, PROTECTED)
    lists.reweigh(node(1), 100)
    expect(lists.weight).toBe(104)
    expect(lists.listWeights[PROTECTED]).toBe(104)
    lists.reweigh(node(1), 0)
    expect(lists.weight).toBe(4)
    lists.check()
  })

  it("keeps no weights where it is not told to", () => {
    const lists = listsWith(3, PROTECTED, false)
    lists.reweigh(node(1), 100)
    expect(lists.weight).toBe(0)
    expect(lists.weightOf(node(1))).toBe(0)
    lists.check()
  })

  it("extends the margin from the end of probation step by step, and shortens it by who leaves", () => {
    const lists = listsWith(6, PROBATION)
    lists.extendMargin(3, 2)
    expect(lists.marginSize).toBe(2)
    lists.extendMargin(3, 2)
    expect([0, 1, 2, 3].map((slot) => lists.isInMargin(node(slot)))).toEqual([true, true, true, false])
    lists.moveToFirst(node(2), PROTECTED)
    expect(lists.marginSize).toBe(2)
    lists.remove(node(0))
    expect(lists.marginSize).toBe(1)
    lists.check()
    lists.extendMargin(100, 100)
    expect(lists.marginSize).toBe(4)
    lists.check()
  })

  it("exchanges a slot of probation with the last protected one", () => {
    const lists = new SlotLists(4, false)
    for (const slot of [0, 1]) lists.add(node(slot), PROTECTED, 1, 0)
    for (const slot of [2, 3]) lists.add(node(slot), PROBATION, 1, 0)
    lists.extendMargin(2, 2)
    lists.exchange(node(2))
    expect(slotsOf(lists, PROTECTED)).toEqual([1, 2])
    expect(slotsOf(lists, PROBATION)).toEqual([3, 0])
    lists.check()
    // The only protected one, and the only one in probation.
    const two = new SlotLists(2, false)
    two.add(node(0), PROTECTED, 1, 0)
    two.add(node(1), PROBATION, 1, 0)
    two.exchange(node(1))
    expect([slotsOf(two, PROTECTED), slotsOf(two, PROBATION)]).toEqual([[1], [0]])
    two.check()
  })

  it("keeps everything when it grows", () => {
    const lists = listsWith(3, PROBATION)
    lists.extendMargin(2, 2)
    lists.grow(50)
    for (let slot = 3; slot < 50; slot++) lists.add(node(slot), WINDOW, 2, 5)
    expect(slotsOf(lists, PROBATION)).toEqual([0, 1, 2])
    expect(lists.weight).toBe(6 + 47 * 5)
    lists.check()
  })

  it("agrees with plain arrays after any operations", () => {
    for (let seed = 0; seed < 500; seed++) {
      const random = randomFrom(seed)
      const pick = (count: number) => Math.floor(random() * count)
      const lists = new SlotLists(12, true)
      const model: number[][] = [[], [], [], []]
      const without = (slot: number) => {
        for (const list of model) if (list.includes(slot)) list.splice(list.indexOf(slot), 1)
      }
      for (let step = 0; step < 60; step++) {
        const slot = pick(12)
        const list = 1 + pick(3)
        const isUsed = model.some((slots) => slots.includes(slot))
        const kind = pick(4)
        if (!isUsed) {
          lists.add(node(slot), list, 1, pick(9))
          model[list]!.push(slot)
        } else if (kind === 0) {
          lists.remove(node(slot))
          without(slot)
        } else if (kind === 1) {
          lists.moveToFirst(node(slot), list)
          without(slot)
          model[list]!.push(slot)
        } else if (kind === 2) {
          lists.moveToLastOfWindow(node(slot))
          without(slot)
          model[WINDOW]!.unshift(slot)
        } else {
          const where = lists.use(node(slot))
          if (where !== PROBATION) {
            without(slot)
            model[where]!.push(slot)
          }
        }
        lists.extendMargin(pick(4), 2)
        lists.check()
        for (const each of [WINDOW, PROBATION, PROTECTED]) {
          expect(slotsOf(lists, each), `seed ${seed}, step ${step}`).toEqual(model[each])
        }
      }
    }
  })
})

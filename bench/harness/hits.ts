import { seededRandom } from "./numbers.js"
import { idOf, type Subject, type User } from "./peers.js"

/** Loads so many keys, then checks that they are served without loading. */
export async function warm(subject: Subject, keys: number, loads: () => number): Promise<void> {
  for (let id = 0; id < keys; id += 1) await subject.read(subject.keyOf(id))
  const before = loads()
  for (let id = 0; id < keys; id += 1) {
    const user = await subject.read(subject.keyOf(id))
    if (user?.id !== id) throw new Error(`read ${JSON.stringify(user)} for ${id}`)
  }
  if (loads() !== before) throw new Error(`${loads() - before} of ${keys} keys were not kept`)
}

const ORDER_BITS = 16

/** Awaits hits of keys drawn uniformly, one after the other. */
export function hits({ read, keyOf }: Subject, keys: number): (count: number) => Promise<number> {
  const random = seededRandom(1)
  const known = Array.from({ length: keys }, (_, id) => keyOf(id))
  const order = Array.from({ length: 1 << ORDER_BITS }, () => known[Math.floor(random() * keys)] as number)
  const mask = (1 << ORDER_BITS) - 1
  return async (count) => {
    let sum = 0
    for (let at = 0; at < count; at += 1) {
      const user = (await read(order[at & mask] as number)) as User
      sum += user.id
    }
    return sum
  }
}

/** A loader that answers at once and counts its runs. */
export function countingLoader(): { load: (key: number | string) => Promise<User>; loads: () => number } {
  let loads = 0
  return {
    load: async (key) => {
      loads += 1
      const id = idOf(key)
      return Promise.resolve({ id, name: `user ${id}` })
    },
    loads: () => loads,
  }
}

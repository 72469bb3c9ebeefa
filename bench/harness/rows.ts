import { seededRandom } from "./numbers.js"

export interface Row {
  readonly id: number
  readonly name: string
  readonly email: string
  readonly active: boolean
  readonly score: number
  readonly team: string
}

/** Rows as a database returns them, so many that they have about that many bytes as JSON. */
export function rowsOf(bytes: number, seed: number): Row[] {
  const random = seededRandom(seed)
  const rows: Row[] = []
  for (let size = 2; rows.length === 0 || size < bytes - 60;) {
    const row = rowOf(random)
    size += JSON.stringify(row).length + 1
    rows.push(row)
  }
  return rows
}

function rowOf(random: () => number): Row {
  const id = Math.floor(random() * 1_000_000)
  const word = (): string => Math.floor(random() * 36 ** 5).toString(36)
  const name = `${word()} ${word()}`
  return {
    id,
    name,
    email: `${name.replace(" ", ".")}@example.org`,
    active: random() < 0.7,
    score: Math.round(random() * 1000) / 8,
    team: `team ${Math.floor(random() * 20)}`,
  }
}

import { parseArgs } from "node:util"
import { type WayName, WAYS } from "./ways/way.js"

export interface Flags {
  readonly products: number
  readonly seconds: number
  readonly clients: number
  readonly seed: number
  readonly processes: number
  readonly redis: boolean
  readonly chaos: boolean
  readonly sabotage: boolean
  /** The ones to measure. */
  readonly ways: readonly WayName[]
}

/** A mistake on the command line: shown without a stack. */
export class FlagError extends Error {}

const NUMBERS = {
  products: { otherwise: 100_000, min: 100, max: 1_000_000, whole: true, help: "rows in the catalogue" },
  seconds: { otherwise: 12, min: 0.5, max: 600, whole: false, help: "how long each way is measured, after a warm-up" },
  clients: { otherwise: 32, min: 1, max: 512, whole: true, help: "visitors at the same time" },
  seed: { otherwise: 42, min: 0, max: 1_000_000_000, whole: true, help: "another number is another shop" },
  processes: { otherwise: 1, min: 1, max: 16, whole: true, help: "servers; several share LMDB or Redis" },
} as const

const PROCESSES_WITH_REDIS = 4

type NumberName = keyof typeof NUMBERS

export const HELP = `A product catalogue in PostgreSQL (PGlite) behind an HTTP API, served three ways under the same load:
without a cache, with a TTL cache, with zoocache. Every response is checked against the database.

  npm run demo -- [options]

${(Object.keys(NUMBERS) as NumberName[])
  .map((name) => {
    const { help, otherwise } = NUMBERS[name]
    const also = name === "processes" ? `; with --redis ${PROCESSES_WITH_REDIS}` : ""
    return `  ${`--${name} <n>`.padEnd(16)} ${help} (${otherwise.toLocaleString("en-US")}${also})`
  })
  .join("\n")}
  --redis          they share Redis or Valkey instead, which the demo starts: REDIS_SERVER, or what is on the PATH
  --chaos          with --redis: while zoocache runs, Redis is killed, loses connections and stands still, as do servers
  --only <way>     measure one way: ${WAYS.map((way) => slug(way)).join(", ")}
  --sabotage       zoocache's writers forget to invalidate: the run must notice and fail
  --help           this text

Exit code 0: zoocache served nothing stale. 1: it did, or the run failed. 2: a mistake on the command line.
NO_COLOR is respected; what is not a terminal gets plain lines.
`

/** Undefined where the help is asked for. Throws `FlagError`. */
export function parseFlags(args: string[]): Flags | undefined {
  const values = read(args)
  if (values["help"] === true) return undefined
  const redis = values["redis"] === true
  const chaos = values["chaos"] === true
  if (chaos && !redis) throw new FlagError("--chaos needs --redis")
  return {
    products: numberOf("products", values["products"]),
    seconds: numberOf("seconds", values["seconds"]),
    clients: numberOf("clients", values["clients"]),
    seed: numberOf("seed", values["seed"]),
    processes:
      redis && values["processes"] === undefined ? PROCESSES_WITH_REDIS : numberOf("processes", values["processes"]),
    redis,
    chaos,
    sabotage: values["sabotage"] === true,
    ways: waysOf(values["only"]),
  }
}

function read(args: string[]): Record<string, string | boolean | undefined> {
  try {
    const text = { type: "string" } as const
    const options = {
      products: text,
      seconds: text,
      clients: text,
      seed: text,
      processes: text,
      only: text,
      redis: { type: "boolean" },
      chaos: { type: "boolean" },
      sabotage: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    } as const
    return parseArgs({ args, options }).values
  } catch (error) {
    throw new FlagError(error instanceof Error ? error.message : String(error))
  }
}

function waysOf(only: string | boolean | undefined): readonly WayName[] {
  const ways = WAYS.filter((way) => only === undefined || only === slug(way))
  if (ways.length > 0) return ways
  throw new FlagError(`--only must be one of ${WAYS.map((way) => slug(way)).join(", ")}, not "${only}"`)
}

function slug(way: WayName): string {
  return way.toLowerCase().replace(" ", "-")
}

function numberOf(name: NumberName, text: string | boolean | undefined): number {
  const { otherwise, min, max, whole } = NUMBERS[name]
  if (text === undefined) return otherwise
  const number = text === "" ? Number.NaN : Number(text)
  if (number >= min && number <= max && (!whole || Number.isInteger(number))) return number
  throw new FlagError(`--${name} must be a ${whole ? "whole number" : "number"} from ${min} to ${max}, not "${text}"`)
}

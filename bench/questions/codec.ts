import { deserialize, serialize } from "node:v8"
import { alternate, column, withRunners } from "../harness/alternate.js"
import { ratiosOf, seededRandom, show, showSpread, spreadOf } from "../harness/numbers.js"
import type { Contestant, Measured, Question, Runner, Table } from "../harness/question.js"
import { rowsOf } from "../harness/rows.js"
import { calibrate, timeMs } from "../harness/timing.js"

const SIZES = [100, 1000, 10_000, 100_000, 1_000_000]
/** Bytes of the rows behind the case that JSON can't do. */
const RICH = 10_000
/** Around the size from which on values are compressed. */
const LZ4_SIZES = [1000, 2000, 4000]

interface Coder {
  readonly encode: (value: unknown) => Uint8Array
  readonly decode: (bytes: Uint8Array) => unknown
  readonly decodeHeader?: (bytes: Uint8Array) => unknown
}

const contestant =
  (makeCoder: () => Promise<Coder>): Contestant =>
  async ({ roundMs }) => {
    const coder = await makeCoder()
    const prepared = new Map<string, () => Promise<Measured>>()
    return async ({ bytes, isRich }) => {
      const name = `${bytes} ${isRich}`
      let measure = prepared.get(name)
      if (measure === undefined) {
        measure = await prepare(coder, Number(bytes), isRich === true, Number(roundMs))
        prepared.set(name, measure)
      }
      return measure()
    }
  }

async function prepare(
  { encode, decode, decodeHeader }: Coder,
  bytes: number,
  isRich: boolean,
  roundMs: number,
): Promise<() => Promise<Measured>> {
  // Several, so that neither branches nor caches learn one by heart.
  const values = Array.from({ length: Math.max(2, Math.min(64, Math.floor(1_000_000 / bytes))) }, (_, seed) =>
    isRich ? richOf(bytes, seed) : plainOf(bytes, seed),
  )
  const encoded = values.map((value) => encode(value))
  const works = {
    encode: (count: number) => {
      for (let at = 0; at < count; at += 1) encode(values[at % values.length])
    },
    decode: (count: number) => {
      for (let at = 0; at < count; at += 1) decode(encoded[at % encoded.length] as Uint8Array)
    },
    decodeHeader: (count: number) => {
      for (let at = 0; at < count; at += 1) decodeHeader?.(encoded[at % encoded.length] as Uint8Array)
    },
  }
  const counts = {
    encode: await calibrate(works.encode, roundMs, 10 * roundMs),
    decode: await calibrate(works.decode, roundMs, 10 * roundMs),
    decodeHeader: decodeHeader === undefined ? 0 : await calibrate(works.decodeHeader, roundMs, 10 * roundMs),
  }
  const us = async (name: keyof typeof works) => ((await timeMs(works[name], counts[name])) * 1000) / counts[name]
  return async () => ({
    bytes: encoded.reduce((sum, { length }) => sum + length, 0) / encoded.length,
    encodeUs: await us("encode"),
    decodeUs: await us("decode"),
    ...(decodeHeader === undefined ? {} : { headerUs: await us("decodeHeader") }),
  })
}

/** One row for the smallest, a list of them for the others. */
function plainOf(bytes: number, seed: number): unknown {
  const rows = rowsOf(bytes, seed)
  return rows.length === 1 ? rows[0] : rows
}

function richOf(bytes: number, seed: number): unknown {
  const random = seededRandom(seed)
  return {
    rows: new Map(
      rowsOf(bytes, seed).map((row) => [
        row.id,
        { ...row, created: new Date(1.7e12 + random() * 1e11), balance: BigInt(Math.floor(random() * 2 ** 50)) },
      ]),
    ),
    teams: new Set(["team 1", "team 2"]),
  }
}

const coders = {
  JSON: async () =>
    Promise.resolve({
      encode: (value) => Buffer.from(JSON.stringify(value)),
      decode: (bytes) => JSON.parse((bytes as Buffer).toString()) as unknown,
    }),

  "node:v8": async () =>
    Promise.resolve({ encode: (value) => serialize(value), decode: (bytes) => deserialize(bytes) as unknown }),

  "msgpackr alone": async () => {
    const { Packr } = await import("msgpackr")
    const packr = new Packr({ useRecords: false, variableMapSize: true })
    return { encode: (value) => Buffer.from(packr.pack(value)), decode: (bytes) => packr.unpack(bytes) as unknown }
  },

  zoocache: async () => ours(undefined),
  "never compressed": async () => ours(Number.POSITIVE_INFINITY),
  "always compressed": async () => ours(0),
} satisfies Record<string, () => Promise<Coder>>
type Name = keyof typeof coders

async function ours(threshold: number | undefined): Promise<Coder> {
  const { createCodec } = await import("zoocache/codec")
  const codec = createCodec(threshold === undefined ? {} : { threshold })
  const nowMs = Date.now()
  const header = {
    key: "users:page:1",
    epoch: { ordinal: Math.floor(nowMs / 1000), nonce: "benchmark" },
    asOf: nowMs * 1024,
    keyVersion: nowMs * 1024,
    storedAtMs: nowMs,
    expiresAtMs: nowMs + 3_600_000,
    graceMs: 0,
    idleTtlMs: Number.POSITIVE_INFINITY,
    idleUntilMs: Number.POSITIVE_INFINITY,
    tags: ["org:1:users"],
    keys: [],
  }
  return {
    encode: (value) => codec.encode(header, value),
    decode: (bytes) => {
      codec.decodeHeader(bytes)
      return codec.decodeValue(bytes)
    },
    decodeHeader: (bytes) => codec.decodeHeader(bytes),
  }
}

export const codec: Question = {
  name: "codec",
  title: "What do encoding and decoding an entry cost?",
  method:
    "Rows of JSON-like data, by their size as JSON, to bytes and back; the times are for one entry. zoocache writes and reads a header with one tag as well, and decoding it means header and value, as a hit needs; the header alone is what a stale entry costs. `node:v8` is `serialize` and `deserialize`. JSON includes the way from text to bytes and back.",
  contestants: Object.fromEntries(Object.entries(coders).map(([name, makeCoder]) => [name, contestant(makeCoder)])),

  async ask(bench) {
    const start = (name: Name) => bench.start("codec", name, { roundMs: bench.roundMs })
    const sizes = bench.isQuick ? SIZES.slice(0, 4) : SIZES
    const rounds = Math.ceil(bench.rounds / 3)
    return withRunners(
      Object.fromEntries(Object.keys(coders).map((name) => [name, start(name as Name)])) as Record<
        Name,
        Promise<Runner>
      >,
      async ({ "never compressed": never, "always compressed": always, ...general }) => {
        const { JSON: json, "msgpackr alone": alone, ...able } = general
        const tables: Table[] = []
        for (const bytes of sizes) {
          bench.progress(`codec: ${show(bytes)} bytes …`)
          const measured = await alternate(
            bench,
            { JSON: json, ...able, "msgpackr alone": alone },
            { bytes, isRich: false },
            rounds,
          )
          tables.push(tableOf(`Rows, ${show(bytes)} bytes`, measured, "JSON"))
        }
        const rich = await alternate(bench, able, { bytes: RICH, isRich: true }, rounds)
        const caption = `A Map of rows with a Date and a bigint each, and a Set, ${show(RICH)} bytes without those`
        const pair = { "never compressed": never, "always compressed": always }
        const lz4: Table[] = []
        for (const bytes of LZ4_SIZES) {
          const measured = await alternate(bench, pair, { bytes, isRich: false }, rounds)
          lz4.push(tableOf(`LZ4, rows of ${show(bytes)} bytes`, measured, "never compressed"))
        }
        return { tables: [...tables, ...lz4, tableOf(caption, rich, "node:v8")], bars: [], notes: [] }
      },
    )
  },
}

function tableOf<Contender extends string>(
  caption: string,
  measured: Record<Contender, Measured[]>,
  baseline: Contender,
): Table {
  const names = Object.keys(measured) as Contender[]
  const times = (name: Contender, figure: string) =>
    `${showSpread(ratiosOf(column(measured[baseline], figure), column(measured[name], figure)))}×`
  return {
    caption,
    head: ["", "bytes", "encode, µs", `against ${baseline}`, "decode, µs", `against ${baseline}`, "header alone, µs"],
    rows: names.map((name) => [
      name,
      show(Math.round(column(measured[name], "bytes")[0] as number)),
      showSpread(spreadOf(column(measured[name], "encodeUs"))),
      times(name, "encodeUs"),
      showSpread(spreadOf(column(measured[name], "decodeUs"))),
      times(name, "decodeUs"),
      measured[name][0]?.["headerUs"] === undefined ? "–" : showSpread(spreadOf(column(measured[name], "headerUs"))),
    ]),
  }
}

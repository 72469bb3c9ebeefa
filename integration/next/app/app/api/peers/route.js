import { createCache } from "zoocache"
import { createCodec } from "zoocache/codec"
import { lmdb } from "zoocache/lmdb"

export const dynamic = "force-dynamic"

/** Packages that are looked for when they are used, out of sight of the bundler: those of the codec, and LMDB with its thread. */
export async function GET() {
  return Response.json({ codec: await saidOf(throughCodec), lmdb: await saidOf(throughLmdb) })
}

function throughCodec() {
  const codec = createCodec()
  const never = Number.POSITIVE_INFINITY
  const times = { storedAtMs: 0, expiresAtMs: never, graceMs: 0, idleTtlMs: never, idleUntilMs: never }
  const header = {
    key: "key",
    epoch: { ordinal: 1, nonce: "one" },
    asOf: 1,
    keyVersion: 1,
    tags: [],
    keys: [],
    ...times,
  }
  return codec.decodeValue(codec.encode(header, "x".repeat(10_000))).length
}

async function throughLmdb() {
  const cache = createCache({ name: "disk", memory: false, backend: lmdb({ path: process.env.APP_LMDB }) })
  await cache.ready()
  await cache.set("key", "kept")
  const found = await cache.get("key")
  await cache.close()
  return found
}

async function saidOf(work) {
  try {
    return await work()
  } catch (error) {
    return `${error.code} ${error.message}`
  }
}

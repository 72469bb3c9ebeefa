import { createCodec } from "zoocache/codec"

export const dynamic = "force-dynamic"

/** Packages that are looked for when they are used, out of sight of the bundler: here those of the codec. */
export function GET() {
  try {
    const codec = createCodec()
    const text = "x".repeat(10_000)
    return Response.json({ codec: codec.decodeValue(codec.encode(header(), text)) === text ? "ok" : "another value" })
  } catch (error) {
    return Response.json({ codec: `${error.code} ${error.message}` })
  }
}

function header() {
  const never = Number.POSITIVE_INFINITY
  return {
    key: "key",
    epoch: { ordinal: 1, nonce: "one" },
    asOf: 1,
    keyVersion: 1,
    tags: [],
    keys: [],
    storedAtMs: 0,
    expiresAtMs: never,
    graceMs: 0,
    idleTtlMs: never,
    idleUntilMs: never,
  }
}

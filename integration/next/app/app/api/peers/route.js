import { createCache } from "zoocache"
import { createCodec } from "zoocache/codec"
import { redis } from "zoocache/redis"

export const dynamic = "force-dynamic"

/** Packages that are looked for when they are used: those of the codec are installed, and that of Redis is not. */
export function GET() {
  return Response.json({
    codec: saidOf(() => createCodec()),
    redis: saidOf(() => createCache({ name: "fleet", backend: redis({ url: "redis://127.0.0.1:1" }) })),
  })
}

function saidOf(make) {
  try {
    make()
    return "ok"
  } catch (error) {
    return `${error.code} ${error.message} cause: ${error.cause?.code}`
  }
}

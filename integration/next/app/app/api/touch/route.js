import { invalidate } from "zoocache"
import { own, strict } from "../../../lib/cache"
import { write } from "../../../lib/database"

/** Changes the row, and says so. */
export async function POST() {
  write()
  await Promise.all([invalidate("user:1"), own.invalidate("user:1"), strict.invalidate("user:1")])
  return Response.json({})
}

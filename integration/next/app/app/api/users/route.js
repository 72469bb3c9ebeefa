import { stats } from "zoocache"
import { own } from "../../../lib/cache"
import { getOwn, getUser, taken } from "../../../lib/users"

export const dynamic = "force-dynamic"

export async function GET() {
  const functions = [stats(), own.stats()].map((each) => Object.keys(each.functions))
  return Response.json({ user: await getUser(1), own: await getOwn(1), taken, functions })
}

import { getOwn, getStrict, getUser } from "../lib/users"

export const dynamic = "force-dynamic"

export default async function Page() {
  const found = { user: await getUser(1), own: await getOwn(1), strict: await getStrict?.(1) }
  return <pre>{JSON.stringify(found)}</pre>
}

// node build-nitro.mjs <folder> <output folder> <app>…: a server with a route for each app.
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { build, createNitro, prepare } from "nitropack"

const [rootDir, dir, ...apps] = process.argv.slice(2)
const handlers = apps.map((app) => {
  const handler = join(rootDir, `${app}-route.mjs`)
  const text = `import { eventHandler } from "h3"
import { main } from "./${app}.mjs"
export default eventHandler(async () => {
  try {
    await main()
    return "ok"
  } catch (error) {
    return String(error.stack)
  }
})
`
  writeFileSync(handler, text)
  return { route: `/${app}`, handler }
})
const nitro = await createNitro({
  rootDir,
  preset: "node-server",
  compatibilityDate: "2026-01-01",
  output: { dir },
  handlers,
})
await prepare(nitro)
await build(nitro)
await nitro.close()

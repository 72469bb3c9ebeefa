/** `npm run demo`: one shop, one load, three ways to serve it, one after the other. See README.md. */
import { createCatalogue } from "./catalogue.js"
import { Database, startDatabase } from "./database.js"
import { explainAWrite } from "./explain.js"
import { type Flags, FlagError, HELP, parseFlags } from "./flags.js"
import { MIX } from "./load.js"
import { measure, type Measured, type Moment, warmUpSeconds } from "./measure.js"
import { findRedis } from "./redis-server.js"
import { printChaos, printTable, printVerdict, whole } from "./report.js"
import { bar, bold, dim, green, print, progress, red, yellow } from "./terminal.js"
import type { WayName } from "./ways/way.js"

async function run(flags: Flags): Promise<boolean> {
  const { products, seconds, clients, seed, processes } = flags
  const redisProgram = flags.redis ? findRedis() : undefined
  print()
  print(`  ${bold("zoocache storefront")}`)
  print()

  const starting = progress(`  starting the database and filling in ${whole(products)} products …`)
  const database = await startDatabase()
  const db = new Database(database.connect())
  try {
    const catalogue = await createCatalogue(db, products, seed)
    const [version] = await db.query<{ server_version: string }>("show server_version")
    const shop = `${whole(products)} products in ${whole(catalogue.categories)} categories`
    starting.done(
      `  ${shop}, seed ${seed}, PostgreSQL ${version?.server_version} (PGlite), Node.js ${process.versions.node}`,
    )
    const writes = MIX.price + MIX.move
    const reads = `Zipf reads, ${MIX.category} % category pages, ${MIX.home} % home page, ${writes} % writes`
    print(`  ${clients} clients over HTTP: ${reads}`)
    if (processes > 1) print(`  ${processes} server processes; each client sends each request to the next one`)
    if (redisProgram !== undefined) print(`  zoocache's processes share ${redisProgram.name} ${redisProgram.version}`)
    print(`  each way: ${warmUpSeconds(seconds)} s to warm up, then ${seconds} s`)
    if (flags.sabotage) print(`  ${red("sabotage:")} zoocache's writers forget to invalidate`)
    print()

    const results: Measured[] = []
    for (const way of flags.ways) {
      const line = progress(`  ${dim("run ")}  ${way}`)
      const onMoment = (moment: Moment) => line.update(momentLine(way, moment))
      const onChaos = (text: string) => line.note(`  ${yellow("chaos")} ${text}`)
      const measured = await measure({ way, database, catalogue, flags, redisProgram, onMoment, onChaos })
      results.push(measured)
      line.done(
        `  ${green("done")}  ${way.padEnd(10)} ${dim(`${whole(measured.requests)} requests in ${tenths(measured.seconds)} s`)}`,
      )
    }

    print()
    printTable(results)
    print()
    const isGood = printVerdict(results)
    printChaos(results)
    print()
    if (!flags.sabotage) {
      print(`  ${bold("explain")}, before and after a write`)
      print()
      await explainAWrite(database)
    }
    return isGood
  } finally {
    db.close()
    await database.stop()
  }
}

function tenths(number: number): number {
  return Math.round(number * 10) / 10
}

function momentLine(way: WayName, { isWarmUp, share, perSecond, stale }: Moment): string {
  const what = isWarmUp ? "warm-up" : `${whole(perSecond)} requests/s`
  return `  ${bar(share, 20)}  ${way.padEnd(10)} ${what.padEnd(18)} ${stale > 0 ? red(`${whole(stale)} stale`) : ""}`
}

try {
  const flags = parseFlags(process.argv.slice(2))
  if (flags === undefined) process.stdout.write(HELP)
  else if (!(await run(flags))) process.exitCode = 1
} catch (error) {
  if (error instanceof FlagError) {
    process.stderr.write(`${error.message}\nTry --help.\n`)
    process.exitCode = 2
  } else {
    process.stderr.write(
      `The demo failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
    process.exitCode = 1
  }
}

/** Puts more than may be written to a file, and says what came of it. */
import { cleanUp, NOWHERE, openBackend } from "./backends.js"
import { entriesOf, noise, rankOf } from "./entries.js"

const backend = openBackend(process.argv[2] ?? "")
const entries = await entriesOf(backend)
const refusals = new Set<string>()
for (let index = 0; index < 3000; index += 1) {
  await entries.put(`key ${index}`, noise(3000)).catch((error: Error) => refusals.add(error.name))
}
for (let index = 0; index < 500; index += 1) await backend.store.remove(`key ${index}`, rankOf(entries.headerOf("")))
const isAppended = await backend.log.append([{ kind: "tag", path: "a" }], NOWHERE, "o").then(
  () => true,
  () => false,
)
// Entries are tried again after a pause.
let isKeptAfterRemoval = false
for (const end = Date.now() + 5000; !isKeptAfterRemoval && Date.now() < end;) {
  await new Promise((resolve) => setTimeout(resolve, 50))
  isKeptAfterRemoval = await entries.put("after").catch(() => false)
}
const report = { refusals: [...refusals], isSmallKept: entries.has("key 600"), isAppended, isKeptAfterRemoval }
console.log(JSON.stringify(report))
await cleanUp()

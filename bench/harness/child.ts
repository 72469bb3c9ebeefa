// The process of one contestant: prepares it, then runs a round whenever the parent asks for one.
import { questions } from "../questions.js"
import type { Parameters } from "./question.js"

const [, , questionName, contestantName, parameters] = process.argv
const contestant = questions.find(({ name }) => name === questionName)?.contestants[contestantName ?? ""]
if (contestant === undefined) throw new Error(`No contestant ${contestantName} for ${questionName}`)

const round = await contestant(JSON.parse(parameters ?? "{}") as Parameters)

process.on("message", (roundParameters) => {
  round(roundParameters as Parameters).then(
    (measured) => process.send?.({ measured }),
    (error: unknown) =>
      process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})
process.on("disconnect", () => process.exit(0))
process.send?.({ isReady: true })

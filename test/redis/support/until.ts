import { setTimeout } from "node:timers/promises"

export interface UntilOptions {
  /** What is waited for, to be told when it does not come. */
  readonly what: string
  readonly timeoutMs?: number
}

/** Only what fails waits so long. */
const PATIENCE_MS = 200_000

/** Resolves with the first answer that is neither undefined nor false. An error of the question counts as "not yet". */
export async function until<T>(
  question: () => T | Promise<T>,
  { what, timeoutMs = PATIENCE_MS }: UntilOptions,
): Promise<Exclude<T, undefined | false>> {
  const end = performance.now() + timeoutMs
  let cause: unknown
  for (;;) {
    try {
      cause = undefined
      const answer = await question()
      if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>
    } catch (error) {
      cause = error
    }
    if (performance.now() > end) throw new Error(`Waited ${timeoutMs} ms for ${what}`, { cause })
    await setTimeout(10)
  }
}

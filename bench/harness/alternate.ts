import type { Bench, Measured, Parameters, Runner } from "./question.js"

/**
 * Lets the contestants take turns, so that whatever else the machine does meets all of them. Who begins changes from
 * round to round.
 *
 * @returns what each measured, round by round, under its name.
 */
export async function alternate<Name extends string>(
  bench: Bench,
  runners: Readonly<Record<Name, Runner>>,
  parameters: Parameters = {},
  rounds = bench.rounds,
): Promise<Record<Name, Measured[]>> {
  const names = Object.keys(runners) as Name[]
  const measured = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Measured[]>
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(turn + round) % names.length] as Name
      measured[name].push(await runners[name].round(parameters))
    }
  }
  return measured
}

/** Starts contestants at the same time, lets `use` have them, and stops them on every path. */
export async function withRunners<Name extends string, Result>(
  starting: Readonly<Record<Name, Promise<Runner>>>,
  use: (runners: Record<Name, Runner>) => Promise<Result>,
): Promise<Result> {
  const names = Object.keys(starting) as Name[]
  const settled = await Promise.allSettled(names.map((name) => starting[name]))
  const runners = settled.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []))
  try {
    const failed = settled.find((outcome) => outcome.status === "rejected")
    if (failed?.status === "rejected") throw failed.reason
    return await use(
      Object.fromEntries(names.map((name, index) => [name, runners[index]])) as unknown as Record<Name, Runner>,
    )
  } finally {
    await Promise.all(runners.map((runner) => runner.stop()))
  }
}

/** One figure of every round. */
export function column(measured: readonly Measured[], name: string): number[] {
  return measured.map((round) => round[name] as number)
}

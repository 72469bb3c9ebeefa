/**
 * How much processor time of this process a run takes, in ms: other programs have no part in it. Only for what would take
 * years if it were not linear; how fast something is belongs into a benchmark.
 */
export function processorMs(run: () => unknown): number {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** Does the same thing so many times, one after the other. */
export type Work = (count: number) => Promise<unknown> | void

/** How often the work fits into a round, found by doing it, which warms it up as well; never less than 16 times. */
export async function calibrate(work: Work, roundMs: number, warmUpMs: number, clock = timeMs): Promise<number> {
  let count = 16
  let spentMs = 0
  for (;;) {
    const took = await clock(work, count)
    spentMs += took
    if (took >= roundMs / 2 && spentMs >= warmUpMs) return Math.max(16, Math.round((count * roundMs) / took))
    if (took < roundMs / 2) count *= 2
  }
}

/**
 * How long the work takes. It must keep the process busy: then the process runs all the time, unless the machine gives
 * its core to another program, and that part does not count.
 */
export async function timeMs(work: Work, count: number): Promise<number> {
  const beginRunning = process.cpuUsage()
  const begin = performance.now()
  const done = work(count)
  // What is not asynchronous pays for no promise.
  if (done !== undefined) await done
  const elapsedMs = performance.now() - begin
  const { user, system } = process.cpuUsage(beginRunning)
  // More than has elapsed: the collector and the compiler run on other cores as well.
  return Math.min(elapsedMs, (user + system) / 1000)
}

/** The same for what waits: for another thread, another process, the disk. */
export async function elapsedMs(work: Work, count: number): Promise<number> {
  const begin = performance.now()
  await work(count)
  return performance.now() - begin
}

/** Lets timers and input through, so that one round does not pay for what another left behind. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 1)
  })
}

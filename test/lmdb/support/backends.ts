import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { BackendContext } from "../../../src/core/ports/backend.js"
import { type Clock, systemClock } from "../../../src/core/base/clock.js"
import type { ZooCacheError } from "../../../src/core/base/errors.js"
import type { RemoteLog } from "../../../src/core/ports/log.js"
import { makeBackend } from "../../../src/lmdb/backend.js"
import type { InternalOptions, LmdbOptions } from "../../../src/lmdb/options.js"

export type LmdbBackend = ReturnType<ReturnType<typeof makeBackend>["open"]> & {
  readonly log: RemoteLog & { look: NonNullable<RemoteLog["look"]> }
  readonly faults: ZooCacheError[]
  readonly close: () => Promise<void>
}

const cleanUps: (() => Promise<void> | void)[] = []

/** For `afterEach`: closes and removes whatever a test has made. */
export async function cleanUp(): Promise<void> {
  for (const each of cleanUps.splice(0).reverse()) await each()
}

export function onCleanUp(work: () => Promise<void> | void): void {
  cleanUps.push(work)
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "zoocache-lmdb-"))
  onCleanUp(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export interface OpenOptions extends Omit<LmdbOptions, "path">, InternalOptions {
  readonly prefix?: string
  readonly clock?: Clock
}

/** A backend on a directory, closed after the test. */
export function openBackend(path: string, options: OpenOptions = {}): LmdbBackend {
  const { prefix = "test", clock = systemClock, bootId, sweepPauseMs, ...rest } = options
  const faults: ZooCacheError[] = []
  const context: BackendContext = { prefix, clock, random: Math.random, onFault: (error) => faults.push(error) }
  const internal = Object.fromEntries(
    Object.entries({ bootId, sweepPauseMs }).filter(([, value]) => value !== undefined),
  )
  const open = makeBackend({ path, ...rest }, internal).open(context)
  const close = async () => {
    await Promise.all([open.log.close(), open.store.close()])
  }
  onCleanUp(close)
  return { ...open, log: open.log as LmdbBackend["log"], faults, close }
}

export const NOWHERE = { epoch: undefined, cursor: 0 } as const

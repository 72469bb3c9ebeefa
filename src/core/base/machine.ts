/**
 * Functions of the event loop as the machine has them. Test tools put others in the place of the global ones, which stand
 * still until a test moves them: what the cache does on its own account, and what no test means, goes on all the same.
 */

type Callback = () => void

/** A timer of the platform: an object in Node.js, a number where a browser is played. */
type Handle = NodeJS.Timeout | number

/** The functions that set and clear timers; both of one maker, since a clock that is faked clears none of the machine's. */
export interface TimerFunctions {
  readonly set: (callback: Callback, delayMs: number) => Handle
  readonly clear: (handle: Handle | undefined) => void
}

/** `Date.now` of the machine; undefined while nothing but a replacement was seen. */
let machineDateNow: (() => number) | undefined
let machineTimers: TimerFunctions | undefined
let machineNextTick: ((callback: Callback) => void) | undefined
let machineSetImmediate: ((callback: Callback) => void) | undefined

noteMachine()

/**
 * Whether a test tool has put its own clock in the place of the machine's. Every tool that plays with time replaces `Date`
 * or `Date.now`. Costs a hit nothing: the global `Date` is a constant of compiled code until somebody replaces it.
 */
export function isTimeFaked(): boolean {
  return Date.now !== machineDateNow
}

/** `Date.now` of the machine, whatever is in its place; undefined where this library was loaded under a faked clock. */
export function machineWallMs(): number | undefined {
  return machineDateNow?.call(Date)
}

/**
 * Notes the functions of the machine, where the clock is its own. Once at the import, as a rule; later where that was under
 * a faked clock.
 */
export function noteMachine(): void {
  if (machineDateNow !== undefined || !isNative(Date) || !isNative(Date.now)) return
  machineDateNow = Date.now
  machineTimers = currentTimers()
  // oxlint-disable-next-line typescript/unbound-method -- called with `process`
  machineNextTick = beneath(process.nextTick, "nextTick")
  machineSetImmediate = typeof setImmediate === "function" ? setImmediate : undefined
}

/** The timers of this moment: those that a test moves, where there are any. */
export function currentTimers(): TimerFunctions {
  return { set: setTimeout, clear: clearTimeout }
}

/** The timers of the machine; those of this moment where no others can be found. */
export function timersOfMachine(): TimerFunctions {
  return machineTimers ?? { set: beneath(setTimeout, "setTimeout"), clear: beneath(clearTimeout, "clearTimeout") }
}

/** Calls back when the turn of the event loop and its promise jobs are over. */
export function afterTurn(callback: Callback): void {
  // oxlint-disable-next-line typescript/unbound-method -- called with `process`
  const nextTick = machineNextTick ?? beneath(process.nextTick, "nextTick")
  nextTick.call(process, callback)
}

/** Calls back when the event loop has looked for input and output. */
export function afterIo(callback: Callback): void {
  const later = machineSetImmediate ?? beneath(setImmediate, "setImmediate")
  later(callback)
}

/**
 * The function that a tool has replaced, where the tool was there before this library. The clocks of Sinon, which Jest and
 * Vitest use, hang on the functions that they put there, and keep what was there before.
 */
function beneath<F extends object>(seen: F, name: string): F {
  const { clock } = seen as { readonly clock?: Record<string, unknown> }
  const replaced = clock?.[`_${name}`]
  return typeof replaced === "function" ? (replaced as F) : seen
}

function isNative(value: unknown): boolean {
  return Function.prototype.toString.call(value).includes("[native code]")
}

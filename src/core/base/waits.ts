import type { Clock } from "./clock.js"

/** A promise with its handles. The first settling counts; later ones change nothing. */
export class Deferred<T = unknown> {
  readonly promise: Promise<T>
  resolve!: (value: T | PromiseLike<T>) => void
  reject!: (error: unknown) => void

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    if (typeof this.reject === "function") return
    // A full stack has cut the function above short, which a promise takes for its own rejection.
    this.promise.catch(() => {})
    throw new RangeError("Maximum call stack size exceeded")
  }
}

/**
 * Listeners that can leave. A wait for something of a long life listens here and leaves when it ends, whereas a reaction
 * on a promise of a long life would stay attached to it, and keep the caller's async context with it.
 */
export class Listeners {
  readonly #listeners = new Set<() => void>()

  get size(): number {
    return this.#listeners.size
  }

  /** Returns what takes it off again. The same function may be added twice. */
  add(listener: () => void): () => void {
    const own = () => listener()
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /** Calls those that listen now; those that are added meanwhile hear of the next time. */
  tell(): void {
    const listening = [...this.#listeners]
    for (const listener of listening) listener()
  }
}

/** The close of something, told once to all that wait. */
export class Closing {
  readonly #listeners = new Listeners()
  #isOver = false

  get isOver(): boolean {
    return this.#isOver
  }

  /** How many waits would end now. */
  get waits(): number {
    return this.#listeners.size
  }

  /** Calls back at the close; at once where that is past. Returns what takes the listener off again. */
  onClose(listener: () => void): () => void {
    if (!this.#isOver) return this.#listeners.add(listener)
    listener()
    return nothing
  }

  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#listeners.tell()
  }
}

/** A wait as an ending sees it. The first call ends it; later ones change nothing. */
export interface Endable<in T> {
  resolve(value: T | PromiseLike<T>): void
  reject(error: unknown): void
  /** Ends with what `outcome` returns or throws; `outcome` is not called where the wait is over. */
  endWith(outcome: () => T | PromiseLike<T>): void
}

/** Sets up a way for a wait to end, and returns what takes that back. An ending may come at once. */
export type Ending<out T> = (wait: Endable<T>) => () => void

/**
 * A promise and its endings. The first ending counts; then everything that was set up for the others is taken back, on every
 * path: timers, and listeners of signals.
 */
class Wait<T> implements Endable<T> {
  readonly #outcome = new Deferred<T>()
  /** Undefined once it has ended. */
  #takeBack: (() => void)[] | undefined = []

  constructor(endings: readonly Ending<T>[]) {
    for (const ending of endings) {
      // Ended at once, as by a signal that is aborted already: the rest is not set up.
      if (this.isOver) return
      const takeBack = ending(this)
      if (this.#takeBack === undefined) takeBack()
      else this.#takeBack.push(takeBack)
    }
  }

  get promise(): Promise<T> {
    return this.#outcome.promise
  }

  get isOver(): boolean {
    return this.#takeBack === undefined
  }

  resolve(value: T | PromiseLike<T>): void {
    if (this.#end()) this.#outcome.resolve(value)
  }

  reject(error: unknown): void {
    if (this.#end()) this.#outcome.reject(error)
  }

  endWith(outcome: () => T | PromiseLike<T>): void {
    if (!this.#end()) return
    try {
      this.#outcome.resolve(outcome())
    } catch (error) {
      this.#outcome.reject(error)
    }
  }

  /** True for the one call that ends it. */
  #end(): boolean {
    const takeBack = this.#takeBack
    if (takeBack === undefined) return false
    // Before anything is taken back, which may call in here again.
    this.#takeBack = undefined
    for (const each of takeBack) each()
    return true
  }
}

/** Resolves or rejects by the first of its endings. */
export function waitUntil<T>(...endings: Ending<T>[]): Promise<T> {
  return new Wait(endings).promise
}

/**
 * The outcome of `work`, unless one of the endings comes first. Work goes on all the same: only the caller stops waiting,
 * and what work fails for after that is no unhandled rejection.
 */
export function waitFor<T>(work: PromiseLike<T>, ...endings: Ending<NoInfer<T>>[]): Promise<T> {
  const wait = new Wait(endings)
  work.then(
    (value) => wait.resolve(value),
    (error: unknown) => wait.reject(error),
  )
  return wait.promise
}

/** Resolves after `delayMs`, or by an ending that comes first. */
export function pause(clock: Clock, delayMs: number, keepAlive: boolean, ...endings: Ending<void>[]): Promise<void> {
  return waitUntil(
    after(clock, delayMs, keepAlive, () => {}),
    ...endings,
  )
}

/** Ends a wait when its time is over, with what `outcome` returns or throws. `keepAlive`: as for `Clock.setTimer`. */
export function after<T>(
  clock: Clock,
  delayMs: number,
  keepAlive: boolean,
  outcome: () => T | PromiseLike<T>,
): Ending<T> {
  return (wait) => {
    const timer = clock.setTimer(() => wait.endWith(outcome), delayMs, keepAlive)
    return () => timer.cancel()
  }
}

/**
 * Rejects a wait with the signal's reason when the signal is aborted, or was so before.
 *
 * @param onAbort runs first: what the caller leaves behind is to know that nobody waits any more.
 */
export function whenAborted(signal: AbortSignal | undefined, onAbort?: () => void): Ending<never> {
  return (wait) => {
    if (signal === undefined) return nothing
    const abort = () =>
      wait.endWith(() => {
        onAbort?.()
        throw signal.reason
      })
    if (signal.aborted) {
      abort()
      return nothing
    }
    return onAbortOf(signal, abort)
  }
}

/** Waits that a signal ends, by signal. */
const aborts = new WeakMap<AbortSignal, SignalListeners>()

interface SignalListeners {
  readonly listeners: Listeners
  /** The one listener that the signal itself has. */
  readonly tell: () => void
}

/** Made apart from any wait: what a signal of a long life keeps must hold nothing of the first that waited for it. */
function signalListeners(): SignalListeners {
  const listeners = new Listeners()
  return { listeners, tell: () => listeners.tell() }
}

/** Adds a wait to those that one listener of a signal ends: of more than ten Node.js believes that they are a leak. */
function onAbortOf(signal: AbortSignal, abort: () => void): () => void {
  let waiting = aborts.get(signal)
  if (waiting === undefined) {
    waiting = signalListeners()
    aborts.set(signal, waiting)
  }
  const { listeners, tell } = waiting
  // A listener that is there already is not added again.
  signal.addEventListener("abort", tell, { once: true })
  const leave = listeners.add(abort)
  return () => {
    leave()
    if (listeners.size === 0) signal.removeEventListener("abort", tell)
  }
}

/** Ends a wait when something closes, or is closed already, with what `outcome` returns or throws. */
export function whenClosed<T>(closing: Closing, outcome: () => T | PromiseLike<T>): Ending<T> {
  return (wait) => closing.onClose(() => wait.endWith(outcome))
}

/** Resolves a wait the next time that listeners are told. */
export function whenTold(listeners: Listeners): Ending<void> {
  return (wait) => listeners.add(() => wait.resolve())
}

function nothing(): void {}

const BUSY = 0
const SET = 1

/**
 * In memory that a thread that writes shares with the thread that has started it. A thread that is ended between the begin
 * and the end of a transaction keeps the lock, for all processes and without end; so it says when it is in one, and begins
 * none once it has been told to stop.
 */
export class Brake {
  readonly memory: SharedArrayBuffer
  readonly #words: Int32Array

  constructor(memory = new SharedArrayBuffer(8)) {
    this.memory = memory
    this.#words = new Int32Array(memory)
  }

  // --- for the thread that writes --------------------------------------------------------------------------------------

  /** False if nothing may begin any more. */
  begin(): boolean {
    Atomics.store(this.#words, BUSY, 1)
    // Only now: whoever sets it looks afterwards whether something has begun.
    if (!this.isSet) return true
    this.end()
    return false
  }

  end(): void {
    Atomics.store(this.#words, BUSY, 0)
    Atomics.notify(this.#words, BUSY)
  }

  get isSet(): boolean {
    return Atomics.load(this.#words, SET) !== 0
  }

  // --- for the other ---------------------------------------------------------------------------------------------------

  set(): void {
    Atomics.store(this.#words, SET, 1)
  }

  /** Blocks until what had begun has ended. False if the time is over before. */
  waitForEnd(patienceMs: number): boolean {
    return Atomics.wait(this.#words, BUSY, 1, Math.max(0, patienceMs)) !== "timed-out"
  }
}

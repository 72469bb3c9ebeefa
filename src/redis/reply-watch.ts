import type { Clock, Timer } from "../core/base/clock.js"
import { inRootContext } from "../core/base/contexts.js"

/** A timer that is later than this was kept back by this process itself. */
const LATE_MS = 20
const SECOND_CHANCE_MS = 10
/** Commands that are over and still listed, before the list is made anew. */
const MOST_FORGOTTEN = 1024

/** A command on its way to a server. */
export interface OnItsWay {
  /** In the time of `Clock.now`. Commands of one watch are due in the order of sending. */
  readonly dueMs: number
  /** Replied to, or given up. A command that is over holds on to nothing: it may be listed for a while. */
  readonly isOver: boolean
}

/**
 * Commands whose reply is waited for. They share one timer, since a timer for each costs more than the sending.
 *
 * Time in which this process was busy with something else does not count: what has arrived meanwhile is looked at first.
 */
export class ReplyWatch<Command extends OnItsWay> {
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #onOverdue: (command: Command) => void
  /** In the order of sending; those that are over go when the ones before them are. */
  #sent: Command[] = []
  #first = 0
  #timer: Timer | undefined
  /** When the timer should fire. */
  #timerDueMs = 0

  /** @param onOverdue makes the command over. */
  constructor(clock: Clock, timeoutMs: number, onOverdue: (command: Command) => void) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#onOverdue = onOverdue
  }

  /** `command` is due `timeoutMs` from now. */
  add(command: Command): void {
    this.#forgetOver()
    this.#sent.push(command)
    if (this.#timer === undefined) this.#start(this.#timeoutMs)
  }

  /** Gives back what is on its way. Nothing of it is overdue any more. */
  close(): Command[] {
    this.#timer?.cancel()
    this.#timer = undefined
    const left = this.#sent.filter((command) => !command.isOver)
    this.#sent = []
    this.#first = 0
    return left
  }

  #start(delayMs: number): void {
    this.#timerDueMs = this.#clock.now() + delayMs
    // The timer of whoever sends first would go on, one after the other, for as long as commands are sent.
    this.#timer = inRootContext(() => this.#clock.setTimer(this.#onTimer, delayMs, false))
  }

  readonly #onTimer = () => {
    if (this.#clock.now() - this.#timerDueMs <= LATE_MS) this.#look()
    else this.#timer = this.#clock.setTimer(this.#look, SECOND_CHANCE_MS, false)
  }

  readonly #look = () => {
    this.#timer = undefined
    const nowMs = this.#clock.now()
    for (let at = this.#first; at < this.#sent.length; at += 1) {
      const command = this.#sent[at] as Command
      if (command.isOver) continue
      if (command.dueMs > nowMs) {
        this.#start(command.dueMs - nowMs)
        break
      }
      this.#onOverdue(command)
    }
    this.#forgetOver()
  }

  #forgetOver(): void {
    while (this.#first < this.#sent.length && (this.#sent[this.#first] as Command).isOver) this.#first += 1
    if (this.#first === this.#sent.length) this.#sent.length = 0
    else if (this.#first < MOST_FORGOTTEN) return
    else this.#sent = this.#sent.slice(this.#first)
    this.#first = 0
  }
}

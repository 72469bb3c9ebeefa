/** What crosses between the processes. */
export type Parameters = Readonly<Record<string, string | number | boolean>>

/** What one round of one contestant measured; the units are in the names. */
export type Measured = Readonly<Record<string, number>>

/** Runs in the contestant's own process, as often as it is asked. */
export type Round = (parameters: Parameters) => Promise<Measured>

/** Prepares a contestant in a process of its own: loads its library, warms it up. */
export type Contestant = (parameters: Parameters) => Promise<Round>

/** A contestant at work in its process. */
export interface Runner {
  readonly pid: number
  round(parameters?: Parameters): Promise<Measured>
  stop(): Promise<void>
}

/** What a question is answered with. */
export interface Bench {
  /** A smoke run: everything is tried, nothing is measured well. */
  readonly isQuick: boolean
  /** How many times the contestants alternate. */
  readonly rounds: number
  /** How long one round of one contestant should take. */
  readonly roundMs: number
  /** The folder of the access traces, if there is one. */
  readonly traces: string | undefined
  readonly withOriginal: boolean
  start(question: string, contestant: string, parameters?: Parameters, nodeOptions?: readonly string[]): Promise<Runner>
  progress(text: string): void
}

/** A promise that the design makes about a number. */
export interface Bar {
  readonly what: string
  readonly limit: string
  readonly measured: string
  readonly isMet: boolean
}

export interface Table {
  readonly caption?: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export interface Answer {
  readonly tables: readonly Table[]
  readonly bars: readonly Bar[]
  readonly notes: readonly string[]
  /** What keeps it from being measured here, and what would help: said loudly, since its bars are not looked at. */
  readonly notRun?: string
}

/** One question, asked in the parent process and answered by contestants in processes of their own. */
export interface Question {
  readonly name: string
  readonly title: string
  /** How it is measured, for the reader of the results. */
  readonly method: string
  /** It installs Python packages, and is asked only where that was asked for. */
  readonly needsOriginal?: boolean
  readonly contestants: Readonly<Record<string, Contestant>>
  ask(bench: Bench): Promise<Answer>
}

/** Calls between processes and threads, as messages. */

interface Call {
  readonly id: number
  readonly name: string
  readonly args: readonly unknown[]
}

type Answer = { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: Failure }

interface Failure {
  readonly name: string
  readonly code: string | undefined
  readonly message: string
}

/** One end of a connection. */
export interface Channel {
  send(message: unknown): void
  onMessage(listener: (message: unknown) => void): void
}

/** Functions that the other end may call; what they take and return must survive JSON. */
export type Commands = Readonly<Record<string, (...args: never[]) => unknown>>

/** What the other end threw. */
export class RemoteError extends Error {
  readonly code: string | undefined

  constructor({ name, code, message }: Failure) {
    super(message)
    this.name = name
    this.code = code
  }
}

type Result<C extends Commands, Name extends keyof C> = Promise<Awaited<ReturnType<C[Name]>>>

/** Calls what the other end answers with {@link answerCalls}. */
export class Caller<C extends Commands> {
  readonly #channel: Channel
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>()
  #calls = 0
  /** Why nobody answers any more. */
  #end: Error | undefined

  constructor(channel: Channel) {
    this.#channel = channel
    channel.onMessage((message) => this.#settle(message as Answer))
  }

  call<Name extends keyof C & string>(name: Name, ...args: Parameters<C[Name]>): Result<C, Name> {
    this.#calls += 1
    if (this.#end !== undefined) return Promise.reject(this.#end)
    const call: Call = { id: this.#calls, name, args }
    return new Promise((resolve, reject) => {
      this.#waiting.set(call.id, { resolve, reject })
      this.#channel.send(call)
    }) as Result<C, Name>
  }

  /** Nobody will answer any more, now or later. */
  abandon(why: Error): void {
    this.#end = why
    for (const { reject } of this.#waiting.values()) reject(why)
    this.#waiting.clear()
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if ("error" in answer) waiting?.reject(new RemoteError(answer.error))
    else waiting?.resolve(answer.result as never)
  }
}

export function answerCalls(channel: Channel, commands: Commands): void {
  channel.onMessage((message) => {
    const { id, name, args } = message as Call
    const answered = new Promise((resolve) => {
      const command = commands[name] as ((...args: readonly unknown[]) => unknown) | undefined
      if (command === undefined) throw new Error(`There is no command ${name}`)
      resolve(command(...args))
    })
    answered.then(
      (result) => channel.send({ id, result } satisfies Answer),
      (error: unknown) => channel.send({ id, error: failureOf(error) } satisfies Answer),
    )
  })
}

function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: "Error", code: undefined, message: String(error) }
  return { name: error.name, code: (error as { code?: string }).code, message: error.message }
}

import { isA } from "../base/errors.js"

/** An argument that can't be part of a key. The path grows while the stack unwinds, so that the way down keeps no record. */
export class Refusal extends Error {
  readonly value: unknown
  readonly reason: string
  path = ""

  constructor(value: unknown, reason: string) {
    super(reason)
    this.value = value
    this.reason = reason
  }
}

/** The same error, with the place in its path. */
export function below(place: string, error: unknown): unknown {
  if (isA(error, Refusal)) error.path = place + error.path
  return error
}

export function accessorRefusal(holder: object): Refusal {
  return new Refusal(holder, "is an accessor, or came and went while it was read")
}

export function symbolRefusal(holder: object): Refusal {
  return new Refusal(holder, "has a symbol as a key, and symbols have no content to compare")
}

export function instanceRefusal(value: object): Refusal {
  return new Refusal(value, "is an instance of a class, whose state can't be told from outside")
}

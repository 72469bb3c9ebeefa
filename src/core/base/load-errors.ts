import { ZooCacheError } from "./errors.js"

/** A load ended before a cached call that it had made, so that nobody knows all that its result depends on. Reported. */
export class UnawaitedCallError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "UnawaitedCallError"

  constructor(key: string, called: string) {
    super(
      "ERR_ZOOCACHE_UNAWAITED_CALL",
      `The load of ${key} ended while its call of ${called} was under way, so its result is not stored: what that call ` +
        "depends on is not known yet. Await the call, or make it outside of the load.",
      { subject: key },
    )
  }
}

/** A load had to wait, and when it could begin its arguments were those of another key. */
export class ArgumentsChangedError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "ArgumentsChangedError"

  constructor(key: string, now: string) {
    super(
      "ERR_ZOOCACHE_ARGUMENTS_CHANGED",
      `The arguments of the call of ${key} were changed before its load could begin, and name ${now} by now. Pass ` +
        "arguments that stay as they are: a copy, or plain data, which is copied where a load has to wait.",
      { subject: key },
    )
  }
}

import { InvalidKeyError } from "../base/errors.js"
import { type EntryId, idOf } from "./id.js"
import { ignoreRejection, isThenable } from "./thenable.js"

/**
 * The answer of a hook that identifies something: a call (`key`) or an instance (`keyThis`).
 *
 * @throws InvalidKeyError for `undefined`, under which everything would meet that the hook was asked for, and for a
 *   promise, whose rejection is handled then.
 */
export function identityOf(hook: string, result: unknown): unknown {
  if (result === undefined) {
    throw new InvalidKeyError(
      result,
      `\`${hook}\` returned undefined, so that all calls would share one entry. Return what identifies the call, as in ` +
        `\`${hook}: (user) => user.id\`, or null where there is nothing to tell apart`,
    )
  }
  if (isThenable(result)) {
    ignoreRejection(result)
    throw new InvalidKeyError(
      result,
      `\`${hook}\` returned a promise, and hooks are synchronous. Return what identifies the call itself`,
    )
  }
  return result
}

/** The id of a call whose function has a hook `key`, which has answered `result`. Throws {@link InvalidKeyError}. */
export function customId(result: unknown): EntryId {
  return idOf([identityOf("key", result)])
}

/** Subjects remembered at once. Beyond them nothing is said any more: whoever has read a thousand warnings knows. */
const MOST_SUBJECTS = 1000

/** Warnings about one cache, each once for its subject. */
export class Warnings {
  readonly #said = new Set<string>()

  /** Warns unless that was said; see {@link warn}. */
  once(code: string, subject: string, text: string): void {
    const what = `${code} ${subject}`
    if (this.#said.size >= MOST_SUBJECTS || this.#said.has(what)) return
    this.#said.add(what)
    warn(code, text)
  }
}

/**
 * Warns whoever runs the process. Nothing where there is no process to tell; never throws.
 *
 * @param code `ZOOCACHE_…`, by which a listener tells warnings apart, and `node --disable-warning` silences them.
 */
export function warn(code: string, text: string): void {
  try {
    globalThis.process?.emitWarning?.(text, { type: "ZooCacheWarning", code })
  } catch {
    // A warning is worth no failure of what it warns of.
  }
}

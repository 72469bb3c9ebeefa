/** Subjects remembered at once. Beyond them nothing is said any more: whoever has read a thousand warnings knows. */
const MOST_SUBJECTS = 1000

/** Warnings of the process about one cache, each once for its subject. Nothing where there is no process to tell. */
export class Warnings {
  readonly #said = new Set<string>()

  /** @param code `ZOOCACHE_…`, by which a listener tells warnings apart, and `node --disable-warning` silences them. */
  once(code: string, subject: string, text: string): void {
    const what = `${code} ${subject}`
    if (this.#said.size >= MOST_SUBJECTS || this.#said.has(what)) return
    this.#said.add(what)
    try {
      globalThis.process?.emitWarning?.(text, { type: "ZooCacheWarning", code })
    } catch {
      // A warning is worth no failure of what it warns of.
    }
  }
}

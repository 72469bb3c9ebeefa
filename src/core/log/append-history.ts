import { collapseChanges } from "./change.js"
import { changeId } from "../ports/change.js"
import type { LogChange, LogEnd } from "../ports/log.js"
import { type Epoch, isSameEpoch, NO_VERSION, type Version } from "../tags/version.js"

/** Changes beyond this number become fewer that cover them. */
const MOST_CHANGES = 1000

/**
 * Changes of this process that the log has acknowledged. A log that fails over may lose what it has acknowledged, and
 * two that both take themselves for the only one lose each other's: then those who appended it are the ones who know.
 */
export class AppendHistory {
  #changes = new Map<string, { readonly change: LogChange; readonly version: Version }>()
  #end: LogEnd | undefined

  note(changes: readonly LogChange[], version: Version): void {
    for (const change of changes) {
      const id = changeId(change)
      // Acknowledgements may come in another order than their versions.
      const known = this.#changes.get(id)?.version ?? NO_VERSION
      this.#changes.set(id, { change, version: Math.max(version, known) })
    }
    if (this.#changes.size > MOST_CHANGES) this.#collapse()
  }

  /**
   * The log has answered, for the life that follows on `end`. Gives what may have been lost, which is forgotten here: it
   * has to be appended again.
   *
   * @param epoch the epoch in which the log has answered before; undefined for the first time.
   */
  lostBy(end: LogEnd | undefined, epoch: Epoch | undefined, isNewEpoch: boolean): LogChange[] {
    const known = this.#end
    this.#end = end
    const isNewLife = isNewEpoch || (end !== undefined && end.life !== known?.life)
    if (epoch === undefined || !isNewLife) return []
    const isNextLife = end !== undefined && isSameEpoch(end.epoch, epoch) && end.life === (known?.life ?? 0) + 1
    // A process that has missed a life can't tell what became of anything.
    const kept = isNextLife ? end.head : NO_VERSION
    const lost = [...this.#changes.values()].filter(({ version }) => version > kept)
    this.#changes.clear()
    return lost.map(({ change }) => change)
  }

  /** With the newest version of all: what is appended once too often does no harm. */
  #collapse(): void {
    const all = [...this.#changes.values()]
    const version = all.reduce((newest, each) => Math.max(newest, each.version), NO_VERSION)
    const changes = collapseChanges(
      all.map(({ change }) => change),
      MOST_CHANGES / 2,
    )
    this.#changes = new Map(changes.map((change) => [changeId(change), { change, version }]))
  }
}

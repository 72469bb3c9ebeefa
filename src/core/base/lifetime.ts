/** Whether a cache is still open; shared by its parts. */
export interface Lifetime {
  /** `close()` was called: calls run their loaders and nothing else. */
  isOver: boolean
}

/** Calls that a change of our own books may need: the code of users, which it also calls, has its faults caught. */
const CALLS = 60

/**
 * Throws the `RangeError` of a full stack now, where there is no room for a few dozen calls more, rather than in the middle
 * of a change that would then be half made.
 */
export function assertStack(): void {
  descend(CALLS)
}

function descend(calls: number): number {
  return calls === 0 ? 0 : descend(calls - 1) + 1
}

/** Longer names are compared with nothing: nobody mistypes so much that is worth an answer. */
const LONGEST = 64
/** Names further apart than this are different names, not one mistyped. */
const MOST_EDITS = 3

/**
 * The known name that a mistyped one was probably meant to be; undefined where none is near. Upper and lower case are alike.
 * Near is one edit in three characters, three at most; of two that are equally near, the first. Linear in `known`.
 *
 * @example
 * nearestName("users", ["user", "order"]) // "user"
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  if (name.length > LONGEST) return undefined
  const wanted = name.toLowerCase()
  let nearest: string | undefined
  let fewest = MOST_EDITS + 1
  for (const candidate of known) {
    const longer = Math.max(name.length, candidate.length)
    if (candidate === name || longer > LONGEST) continue
    const most = Math.min(fewest - 1, Math.floor(longer / 3))
    const edits = editsBetween(wanted, candidate.toLowerCase(), most)
    if (edits > most) continue
    nearest = candidate
    fewest = edits
    if (edits === 0) break
  }
  return nearest
}

/**
 * How many insertions, deletions, replacements and swaps of neighbours make one text of the other, where no part is edited
 * twice; anything above `most` where there are more. Damerau (1964), restricted: after Levenshtein, with a third row for
 * swaps, and only the band that `most` edits can reach.
 */
export function editsBetween(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return most + 1
  const tooMany = most + 1
  let beforeLast: number[] = []
  let leastBefore = 0
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const current = new Array<number>(b.length + 1).fill(tooMany)
    current[0] = row
    let least = row
    const end = Math.min(b.length, row + most)
    for (let column = Math.max(1, row - most); column <= end; column += 1) {
      const isSame = a.charCodeAt(row - 1) === b.charCodeAt(column - 1)
      let edits = (last[column - 1] as number) + (isSame ? 0 : 1)
      edits = Math.min(edits, (last[column] as number) + 1, (current[column - 1] as number) + 1)
      const isSwap =
        row > 1 &&
        column > 1 &&
        a.charCodeAt(row - 1) === b.charCodeAt(column - 2) &&
        a.charCodeAt(row - 2) === b.charCodeAt(column - 1)
      if (isSwap) edits = Math.min(edits, (beforeLast[column - 2] as number) + 1)
      current[column] = edits
      if (edits < least) least = edits
    }
    // A swap may still come from the row before, so both must be hopeless.
    if (least > most && leastBefore > most) return tooMany
    leastBefore = least
    beforeLast = last
    last = current
  }
  return Math.min(last[b.length] as number, tooMany)
}

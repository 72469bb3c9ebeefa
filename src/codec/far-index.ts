/** Up to here an object has its elements in a list without much waste. */
const NEAR = 32
/** The last name that is the name of an element. */
const LAST = "4294967294"

/**
 * Whether a property's name is a number so far from 0 that an engine would make room for everything before it: in an object
 * with nothing but an element 1000, for 1,500 elements. A few bytes of an entry must not take kilobytes.
 */
export function isFarIndex(name: string): boolean {
  const first = name.charCodeAt(0)
  // Nearly all names end here.
  if (!(first >= 0x31 && first <= 0x39) || name.length < 2 || name.length > LAST.length) return false
  for (let index = 1; index < name.length; index++) {
    const digit = name.charCodeAt(index)
    if (digit < 0x30 || digit > 0x39) return false
  }
  return name.length > 2 || Number(name) > NEAR
}

/** Has an object keep its elements one by one, by their numbers, for as long as it lives. */
export function keepSparse(object: object): void {
  const elements = object as Record<string, unknown>
  elements[LAST] = null
  delete elements[LAST]
}

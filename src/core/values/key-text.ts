/** The longest encoding that is an id as it is. A longer one is hashed. */
export const MAX_READABLE = 128

const simpleName = /^[A-Za-z_$][\w$]*$/

// All but the controls before the space, and the surrogates, needs no escape.
const needsEscape = /["\\]|[^ -\ud7ff\ue000-\uffff]/

/** A text in quotes: well-formed, and different for different texts. */
export function quote(text: string): string {
  // JSON.stringify escapes lone surrogates and nothing else beyond what JSON must: the result is well-formed and unique.
  return needsEscape.test(text) ? JSON.stringify(text) : `"${text}"`
}

/** The name of a property, in quotes where it could be taken for something else. */
export function nameText(name: string): string {
  return simpleName.test(name) ? name : quote(name)
}

/** The step from an object to its property, as in a path: `.name`, or `["two words"]`. */
export function step(name: string): string {
  return simpleName.test(name) ? `.${name}` : `[${quote(name)}]`
}

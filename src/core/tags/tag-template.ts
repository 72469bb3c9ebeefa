import { InvalidTagError } from "../base/errors.js"
import { encodeTagValue, parseTag } from "./tag.js"

/**
 * A tag with named gaps, such as `org:{org}:user:{id}`. What a cache, a mapping of tables and an ORM say of one thing has
 * one template, so that their tags can't differ.
 */
export interface TagTemplate {
  readonly text: string
  /** Texts around the parameters: one more than there are gaps. */
  readonly literals: readonly string[]
  /** The name in each gap, from left to right. One name may fill several. */
  readonly names: readonly string[]
}

const NAME = /^[A-Za-z_$][\w$]*$/

/** @throws InvalidTagError naming the template and what is wrong with it. */
export function parseTagTemplate(text: unknown): TagTemplate {
  if (typeof text !== "string") throw new InvalidTagError(text, "a template is a string such as `user:{id}`")
  const literals: string[] = []
  const names: string[] = []
  let start = 0
  for (;;) {
    const open = text.indexOf("{", start)
    const literal = open < 0 ? text.slice(start) : text.slice(start, open)
    if (literal.includes("}")) throw new InvalidTagError(text, "a `}` has no `{` before it")
    literals.push(literal)
    if (open < 0) break
    const close = text.indexOf("}", open)
    if (close < 0) throw new InvalidTagError(text, "a `{` has no `}` after it")
    const name = text.slice(open + 1, close)
    if (!NAME.test(name)) {
      throw new InvalidTagError(text, `\`{${name}}\` is no parameter: between braces stands a name, such as \`{id}\``)
    }
    names.push(name)
    start = close + 1
  }
  const template = { text, literals, names }
  checkLiterals(template)
  return template
}

/** The names of a template's parameters, each once. */
export function parametersOf({ names }: TagTemplate): readonly string[] {
  return [...new Set(names)]
}

/**
 * The tag with these values, encoded as by `tag`. Other properties are ignored: a whole row may be given.
 *
 * @throws InvalidTagError where a value is missing or can't be part of a tag, and where the tag gets too long.
 */
export function formatTag(template: TagTemplate, values: Readonly<Record<string, unknown>>): string {
  const { literals, names } = template
  let text = literals[0] as string
  for (let index = 0; index < names.length; index += 1) {
    text += encodedAt(template, index, values) + (literals[index + 1] as string)
  }
  parseTag(text)
  return text
}

/**
 * The nearest tag above all tags of a template that have these values: the segments before the first gap that has none.
 * Undefined where that is everything.
 */
export function coveringTag(template: TagTemplate, values: Readonly<Record<string, unknown>>): string | undefined {
  const { literals, names } = template
  let text = literals[0] as string
  for (let index = 0; index < names.length; index += 1) {
    if (!Object.hasOwn(values, names[index] as string)) {
      const end = text.lastIndexOf(":")
      return end < 0 ? undefined : text.slice(0, end)
    }
    text += encodedAt(template, index, values) + (literals[index + 1] as string)
  }
  parseTag(text)
  return text
}

function encodedAt({ text, literals, names }: TagTemplate, index: number, values: Readonly<Record<string, unknown>>) {
  const name = names[index] as string
  // Properties of a prototype are nobody's values.
  if (!Object.hasOwn(values, name)) throw new InvalidTagError(text, `it needs a value of \`${name}\``)
  return encodeTagValue(values[name], literals[index] as string, name)
}

/** Whatever the values are: the literals decide where segments begin and end, and which characters stand there. */
function checkLiterals({ text, literals }: TagTemplate): void {
  try {
    parseTag(literals.join("x"))
  } catch (error) {
    const { message } = error as InvalidTagError
    throw new InvalidTagError(text, message.slice(message.indexOf(": ") + 2))
  }
}

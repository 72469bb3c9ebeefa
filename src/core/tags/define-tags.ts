import { InvalidOptionError, InvalidTagError } from "../base/errors.js"
import { definedNames } from "./known-names.js"
import type { TagValue } from "./tag.js"
import { coveringTag, formatTag, parametersOf, parseTagTemplate } from "./tag-template.js"

/** The names in the braces of a template. */
export type TagParameters<Template extends string> = Template extends `${string}{${infer Name}}${infer Rest}`
  ? Name | TagParameters<Rest>
  : never

/** A value for each parameter of a template. */
export type TagValues<Template extends string> = string extends Template
  ? Readonly<Record<string, TagValue>>
  : { readonly [Name in TagParameters<Template>]: TagValue }

/** Makes the tags of one template. */
export interface TagMaker<Template extends string = string> {
  /**
   * The tag with these values, encoded as by `tag`. A template without parameters takes none.
   *
   * @throws InvalidTagError where a value is missing, unknown, or can't be part of a tag.
   */
  (
    ...values: string extends Template
      ? [values?: TagValues<Template>]
      : [TagParameters<Template>] extends [never]
        ? []
        : [values: TagValues<Template>]
  ): string
  readonly template: Template
  /**
   * The tag that covers all tags of this template, or all with these values, given from the left:
   * for `org:{org}:user:{id}`, `all()` is `org` and `all({ org: 7 })` is `org:7:user`.
   *
   * @throws InvalidTagError where only everything covers them, because the template begins with a parameter.
   */
  all(values?: Partial<TagValues<Template>>): string
}

/** The makers of {@link defineTags}: one under each name. */
export type DefinedTags<Templates extends Readonly<Record<string, string>>> = {
  readonly [Name in keyof Templates]: TagMaker<Templates[Name]>
}

/**
 * Names the tags of an application in one place, so that whoever depends on a tag and whoever invalidates it can't spell it
 * in two ways. Parameters stand in braces; their names and number are checked by the compiler, their values are encoded.
 *
 * @throws InvalidTagError for a template that is none, InvalidOptionError where `templates` is no object.
 * @example
 * const tags = defineTags({ user: "user:{id}", orgUser: "org:{org}:user:{id}", catalogue: "catalogue" })
 * tags.user({ id: 42 }) // "user:42"
 * tags.catalogue() // "catalogue"
 * tags.orgUser.all({ org: 7 }) // "org:7:user": the tag that covers all users of the organization
 */
export function defineTags<const Templates extends Readonly<Record<string, string>>>(
  templates: Templates,
): DefinedTags<Templates> {
  const given: unknown = templates
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new InvalidOptionError("defineTags", given, 'it takes an object of templates, such as { user: "user:{id}" }')
  }
  // No prototype, so that a name can't be one of its properties.
  const makers = Object.create(null) as Record<string, TagMaker>
  for (const [name, template] of Object.entries(templates)) {
    makers[name] = makerOf(template)
    const first = template.split(":", 1)[0] as string
    if (!first.includes("{")) definedNames.note(first)
  }
  return Object.freeze(makers) as unknown as DefinedTags<Templates>
}

function makerOf(text: string): TagMaker {
  const template = parseTagTemplate(text)
  const parameters = parametersOf(template)
  const known = new Set(parameters)
  const check = (values: unknown): Readonly<Record<string, unknown>> => {
    if (typeof values !== "object" || values === null) {
      throw new InvalidTagError(text, `its values are given as an object: { ${parameters.join(", ")} }`)
    }
    for (const name of Object.keys(values)) {
      if (!known.has(name)) throw new InvalidTagError(text, `it has no parameter \`${name}\``)
    }
    return values as Readonly<Record<string, unknown>>
  }
  const none = Object.freeze({})
  const isConstant = parameters.length === 0
  const make = (values?: unknown) => (isConstant && values === undefined ? text : formatTag(template, check(values)))
  const all = (values: unknown = none) => {
    const given = check(values)
    const gap = parameters.findIndex((name) => !Object.hasOwn(given, name))
    const late = gap < 0 ? undefined : parameters.slice(gap).find((name) => Object.hasOwn(given, name))
    if (late !== undefined) {
      throw new InvalidTagError(
        text,
        `\`${late}\` narrows nothing without \`${parameters[gap]}\`, which stands before it`,
      )
    }
    const tag = coveringTag(template, given)
    if (tag === undefined)
      throw new InvalidTagError(text, "only everything covers all of its tags: use `cache.clear()`")
    return tag
  }
  return Object.freeze(Object.assign(make, { template: text, all }))
}

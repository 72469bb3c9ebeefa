/** A step to a member of a collection, as code would get at it. */
export interface Member {
  readonly text: string
}

/** A name, a position, or a member. */
export type Step = string | number | Member

const LONGEST_PATH = 120
const LONGEST_NAME = 40

/** The way to a place in a value, as code would write it; shortened in the middle. */
export function pathText(steps: readonly Step[]): string {
  const path = steps.map(stepText).join("")
  return path.length > LONGEST_PATH ? `${path.slice(0, 60)} … ${path.slice(-50)}` : path
}

/** A text in quotes, shortened at its end. */
export function quote(text: string): string {
  return JSON.stringify(text.length > LONGEST_NAME ? `${text.slice(0, LONGEST_NAME)}…` : text)
}

function stepText(step: Step): string {
  if (typeof step === "object") return step.text
  if (typeof step === "number") return `[${step}]`
  return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${quote(step)}]`
}

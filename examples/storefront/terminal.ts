/** Colours and a line that updates itself on a terminal; plain lines anywhere else. */
const { stdout, env } = process
const isTerminal = stdout.isTTY && env["TERM"] !== "dumb"
const hasColours = isTerminal && !env["NO_COLOR"]

const paint = (code: number) => (text: string) => (hasColours && text !== "" ? `\u001b[${code}m${text}\u001b[0m` : text)

export const bold = paint(1)
export const dim = paint(2)
export const red = paint(31)
export const green = paint(32)
export const yellow = paint(33)
export const cyan = paint(36)

export const RULE = isTerminal ? "─" : "-"

export function print(text = ""): void {
  stdout.write(`${text}\n`)
}

/** A line that says how far something has come. */
export interface Progress {
  update(text: string): void
  /** A line of its own, above. */
  note(text: string): void
  /** Replaces the line with its last word. */
  done(text: string): void
}

/** Elsewhere than on a terminal, only the first and the last word are printed. */
export function progress(first: string): Progress {
  const replace = (text: string) => stdout.write(`\r\u001b[2K${text}`)
  const update = (text: string) => {
    if (isTerminal) replace(text)
  }
  const printAbove = (text: string) => {
    update("")
    print(text)
  }
  if (isTerminal) replace(first)
  else print(first)
  return {
    update,
    note: printAbove,
    done: printAbove,
  }
}

export function bar(share: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width)
  return cyan("█".repeat(filled)) + dim("░".repeat(width - filled))
}

/** Breaks a text into lines that fit beside a margin. */
export function wrap(text: string, margin: number): string {
  // Some terminals don't know how wide they are and say 0.
  const width = Math.max(40, Math.min(stdout.columns || 100, 110) - margin)
  const lines = [""]
  for (const word of text.split(" ")) {
    const line = lines.at(-1) as string
    if (line === "") lines[lines.length - 1] = word
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines.join(`\n${" ".repeat(margin)}`)
}

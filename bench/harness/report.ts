import type { Machine } from "./machine.js"
import type { Answer, Bar, Question, Table } from "./question.js"

export interface Answered {
  readonly question: Question
  readonly answer: Answer
}

/** One answer for a terminal. */
export function textOf({ question, answer }: Answered): string {
  const parts = [`\n${question.title}`, ...answer.tables.map((table) => textTable(table))]
  if (answer.bars.length > 0) parts.push(textTable(barTable(answer.bars)))
  parts.push(...notesOf(answer))
  return parts.join("\n\n")
}

/** All answers as a page of the documentation. */
export function pageOf(machine: Machine, command: string, minutes: number, answered: readonly Answered[]): string {
  const bars = answered.flatMap(({ question, answer }) => answer.bars.map((bar) => ({ question, bar })))
  const missed = bars.filter(({ bar }) => !bar.isMet)
  const parts = [
    "# Benchmarks",
    `Written by \`${command}\`; don't edit. Absolute figures belong to this machine and this run; only ratios within one run mean something elsewhere. Contestants run in processes of their own, against the built package, and take turns; a figure is the median of the rounds, with a tenth and nine tenths of them in parentheses. While another program has the core the clock stands still, except where a single call is timed.`,
    markdownTable({
      head: ["", ""],
      rows: [
        ["Date", machine.date],
        ["Processor", machine.processor],
        ["System", machine.system],
        ["Runtime", machine.node],
        ["Packages", machine.packages],
        ["Took", `${minutes.toFixed(1)} minutes`],
      ],
    }),
    "## Bars",
    missed.length === 0
      ? `All ${bars.length} are met.`
      : `${bars.length - missed.length} of ${bars.length} are met. Missed: ${missed.map(({ bar }) => bar.what).join("; ")}.`,
    ...answered
      .filter(({ answer }) => answer.notRun !== undefined)
      .map(({ question, answer }) => `**NOT RUN: ${question.name}: ${answer.notRun}.**`),
    markdownTable({
      head: ["question", "what", "bar", "measured", ""],
      rows: bars.map(({ question, bar }) => [
        `[${question.name}](#${anchorOf(question.title)})`,
        bar.what,
        bar.limit,
        bar.measured,
        verdict(bar),
      ]),
    }),
    ...answered.flatMap(({ question, answer }) => [
      `## ${question.title}`,
      question.method,
      ...answer.tables.map((table) => markdownTable(table)),
      ...notesOf(answer),
    ]),
  ]
  return `${parts.join("\n\n")}\n`
}

function notesOf({ notes, notRun }: Answer): readonly string[] {
  return notRun === undefined ? notes : [`**NOT RUN: ${notRun}.**`, ...notes]
}

function barTable(bars: readonly Bar[]): Table {
  return {
    head: ["bar", "limit", "measured", ""],
    rows: bars.map((bar) => [bar.what, bar.limit, bar.measured, verdict(bar)]),
  }
}

function verdict(bar: Bar): string {
  return bar.isMet ? "met" : "**missed**"
}

function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} -]/gu, "")
    .replaceAll(" ", "-")
}

function textTable({ caption, head, rows }: Table): string {
  const widths = head.map((cell, index) => Math.max(cell.length, ...rows.map((row) => (row[index] ?? "").length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join("  ")
      .trimEnd()
  const table = [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map((row) => line(row))]
  return (caption === undefined ? table : [caption, ...table]).join("\n").replaceAll("**", "")
}

function markdownTable({ caption, head, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`
  const table = [
    line(head),
    line(head.map((_cell, index) => (index === 0 ? "---" : "---:"))),
    ...rows.map((row) => line(row)),
  ]
  return (caption === undefined ? table : [`${caption}:`, "", ...table]).join("\n")
}
